"""Media as files under one folder of this machine."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Self

from obstore.store import LocalStore

from pipelines.domain.errors import Expired
from pipelines.net import disk_full_is_busy, sync_folder, whole_file
from pipelines.ports import Stored
from pipelines.settings import Settings
from pipelines.storage.keys import checked_key
from pipelines.storage.objects import ObjectMedia, already_there, hashed

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})
_DRAFTS = ".incoming"


class FileStore(ObjectMedia):
    """Keys are paths under `root`. Content types and names are the web's business: we serve these files ourselves.

    Where the file system allows, storing and fetching are hard links: no byte is copied.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        with disk_full_is_busy():
            (root / _DRAFTS).mkdir(parents=True, exist_ok=True)
        super().__init__(LocalStore(root))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store of `file:<directory>`."""
        return cls(Path(settings.storage.path))

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:  # noqa: ARG002
        """Link or copy the file to its key, durably; see `MediaStore`."""
        dest = self.local_path(key)
        sha256, size = hashed(path, key), path.stat().st_size
        with disk_full_is_busy():
            dest.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._place(path, dest)
            except FileExistsError:
                return already_there(Stored(key=key, sha256="", size=dest.stat().st_size), sha256, size)
            sync_folder(dest.parent)
        return Stored(key=key, sha256=sha256, size=size)

    def fetch(self, key: str, dest: Path) -> None:
        """Link or copy the file to `dest`, replacing what was there."""
        source = self.local_path(key)
        draft = dest.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with disk_full_is_busy():
                dest.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(source, draft)
                draft.replace(dest)
        except FileNotFoundError as error:
            raise Expired(f"nothing is stored under {key}", marketer="This file is no longer kept.") from error
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()

    def local_path(self, key: str) -> Path:
        """Where the key's file is, or would be."""
        return self._root / checked_key(key)

    def presigned(self, key: str, ttl_s: float) -> None:  # noqa: ARG002
        """Files have no address of their own: we sign our own links."""
        checked_key(key)

    def _place(self, path: Path, dest: Path) -> None:
        """Give `dest` its name in one step. Raises `FileExistsError` when it has one."""
        if dest.exists():
            raise FileExistsError(dest)
        _sync_file(path)
        try:
            dest.hardlink_to(path)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._place_copy(path, dest)

    def _place_copy(self, path: Path, dest: Path) -> None:
        draft = self._root / _DRAFTS / secrets.token_hex(16)
        try:
            with path.open("rb") as source, whole_file(draft) as copy:
                shutil.copyfileobj(source, copy)
            dest.hardlink_to(draft)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()


def _link_or_copy(source: Path, dest: Path) -> None:
    try:
        dest.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, dest)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
