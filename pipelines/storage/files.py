"""Media as files under one folder of this machine."""

from __future__ import annotations

import errno
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from obstore.store import LocalStore

from pipelines.domain.errors import Expired, NotConfigured, StorageDenied
from pipelines.net import disk_full_is_busy, sync_folder, whole_file
from pipelines.ports import Stored
from pipelines.settings import Settings
from pipelines.storage.keys import checked_key, hash_in_key
from pipelines.storage.objects import ObjectMedia, already_there, hashed, hashed_copy

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})
_DRAFTS = ".incoming"
_DRAFT_S = 24 * 3600
"""No copy takes a day: a draft this old was left by a process that was killed."""


class FileStore(ObjectMedia):
    """Keys are paths under `root`. Content types and names are the web's business: we serve these files ourselves.

    Storing copies, so that nobody who reuses a scratch name can change what was paid for; fetching is a hard link
    where the file system allows.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            with disk_full_is_busy():
                (root / _DRAFTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotConfigured(f"the folder of STORAGE_URL cannot be made: {error.strerror}") from error
        _forget_drafts(root / _DRAFTS, older_than=time.time() - _DRAFT_S)
        super().__init__(LocalStore(root))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store of `file:<directory>`."""
        return cls(Path(settings.storage.path))

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:  # noqa: ARG002
        """Copy the file to its key, durably; see `MediaStore`."""
        dest = self.local_path(key)
        if dest.exists():
            return already_there(_found(key, dest), hashed(path, key), path.stat().st_size)
        draft = self._root / _DRAFTS / secrets.token_hex(16)
        with _refusals():
            with path.open("rb") as source, whole_file(draft) as copy:
                sha256 = hashed_copy(source, copy, key)
                size = copy.tell()
            return self._place(draft, dest, Stored(key=key, sha256=sha256, size=size))

    def fetch(self, key: str, dest: Path) -> None:
        """Link or copy the file to `dest`, replacing what was there."""
        source = self.local_path(key)
        draft = dest.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with _refusals():
                dest.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(source, draft)
                draft.replace(dest)
        except FileNotFoundError as error:
            raise Expired(f"nothing is stored under {key}", marketer="This file is no longer kept.") from error
        finally:
            draft.unlink(missing_ok=True)

    def local_path(self, key: str) -> Path:
        """Where the key's file is, or would be."""
        return self._root / checked_key(key)

    def presigned(self, key: str, ttl_s: float) -> None:  # noqa: ARG002
        """Files have no address of their own: we sign our own links."""
        checked_key(key)

    def _place(self, draft: Path, dest: Path, stored: Stored) -> Stored:
        """Give the draft its name in one step, unless another process was quicker."""
        dest.parent.mkdir(parents=True, exist_ok=True)
        try:
            dest.hardlink_to(draft)
        except FileExistsError:
            return already_there(_found(stored.key, dest), stored.sha256, stored.size)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            draft.replace(dest)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(dest.parent)
        return stored


@contextmanager
def _refusals() -> Iterator[None]:
    """A folder that is read only, broken or not ours: what came waits, as it does for a full disk."""
    try:
        with disk_full_is_busy():
            yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        raise StorageDenied(f"the folder of STORAGE_URL: {error.strerror or error}") from error


def _forget_drafts(folder: Path, older_than: float) -> None:
    for draft in folder.iterdir():
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < older_than:
                draft.unlink()


def _found(key: str, path: Path) -> Stored:
    return Stored(key=key, sha256=hash_in_key(key), size=path.stat().st_size)


def _link_or_copy(source: Path, dest: Path) -> None:
    try:
        dest.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, dest)
