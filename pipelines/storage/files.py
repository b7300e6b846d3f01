"""Media as files under one folder of this machine."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

from pipelines.domain.errors import Expired, NotConfigured, StorageDenied, StorageUnavailable
from pipelines.net import disk_full_is_busy, sync_folder, whole_file
from pipelines.ports import Stored
from pipelines.settings import Settings
from pipelines.storage.keys import CHUNK, already_there, checked_key, hash_in_key, hashed, hashed_copy, is_key

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})
_DRAFTS = ".incoming"
_DRAFT_S = 24 * 3600
"""No copy takes a day: a draft this old was left by a process that was killed."""


class FileStore:
    """Keys are paths under `root`. Content types and names are the web's business: we serve these files ourselves.

    Storing copies, so that nobody who reuses a scratch name can change what was paid for; taking what was made here,
    and fetching, is a hard link where the file system allows.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            with disk_full_is_busy():
                (root / _DRAFTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotConfigured(f"the folder of STORAGE_URL cannot be made: {error.strerror}") from error
        for draft in (root / _DRAFTS).iterdir():
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < time.time() - _DRAFT_S:
                    draft.unlink()

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

    def take_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """Give the file its key as a second name, durably, where the file system allows; else copy it."""
        dest = self.local_path(key)
        stored = Stored(key=key, sha256=hashed(path, key), size=path.stat().st_size)
        with _refusals():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            dest.parent.mkdir(parents=True, exist_ok=True)
            try:
                dest.hardlink_to(path)
            except FileExistsError:
                return already_there(_found(key, dest), stored.sha256, stored.size)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                return self.put_file(path, key, content_type, filename)
            sync_folder(dest.parent)
        return stored

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

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """The bytes from `start`, at most `length`."""
        if start < 0 or length <= 0:
            raise ValueError("a range starts at 0 or later and has at least one byte")
        with _translated(key):
            return _chunks(self.local_path(key).open("rb"), start, length)

    def stat(self, key: str) -> Stored | None:
        """What is stored under the key, or None."""
        with suppress(Expired), _translated(key):
            return _stored(key, self.local_path(key).stat())
        return None

    def delete(self, key: str) -> None:
        """Remove the file; a missing one is success."""
        with suppress(Expired), _translated(key):
            self.local_path(key).unlink()

    def list_prefix(self, prefix: str) -> Iterator[Stored]:
        """Every file whose key begins so. Quickest where `prefix` is a folder and ends with its slash."""
        folder = prefix.rpartition("/")[0]
        with _translated(prefix):
            for path in _files(self._root / checked_key(folder) if folder else self._root):
                key = path.relative_to(self._root).as_posix()
                if is_key(key) and key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        found = _stored(key, path.stat())
                        if found is not None:
                            yield found

    def check(self) -> None:
        """Write, read back and delete a small file, or raise what is wrong."""
        key, body = f"check/{secrets.token_hex(8)}.txt", secrets.token_bytes(64)
        path = self.local_path(key)
        try:
            with _translated(key):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
                same = path.read_bytes() == body
        except Expired as error:
            raise StorageDenied("storage has no such folder") from error
        finally:
            self.delete(key)
        if not same:
            raise StorageUnavailable("storage gave back other bytes than it was given")

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


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Expired(f"nothing is stored under {key}", marketer="This file is no longer kept.") from error
    except PermissionError as error:
        raise StorageDenied(f"storage refuses us: {error.strerror}") from error
    except OSError as error:
        raise StorageUnavailable(f"storage: {error.strerror}") from error


def _files(folder: Path) -> Iterator[Path]:
    """Drafts are in a folder that is not listed. A folder that cannot be read is no empty one."""
    for place, folders, names in os.walk(folder, onerror=_tell, followlinks=True):
        folders[:] = [name for name in folders if is_key(name)]
        yield from (Path(place, name) for name in names)


def _tell(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _chunks(file: IO[bytes], start: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk


def _stored(key: str, found: os.stat_result) -> Stored | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return Stored(key=key, sha256=hash_in_key(key), size=found.st_size, modified_at=found.st_mtime)


def _found(key: str, path: Path) -> Stored:
    return Stored(key=key, sha256=hash_in_key(key), size=path.stat().st_size)


def _link_or_copy(source: Path, dest: Path) -> None:
    try:
        dest.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, dest)
