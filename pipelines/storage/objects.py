"""What is done to objects through obstore, and its errors in our words."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

from pipelines.domain.errors import Expired, StorageDenied, StorageUnavailable
from pipelines.net import redact
from pipelines.ports import Stored
from pipelines.storage.keys import CHUNK, checked_key, hash_in_key, is_key

_QUOTED = 300
_NO_BUCKET = "NoSuchBucket"
"""S3's code, in the body of a 404, for a bucket that is not there: docs.aws.amazon.com/AmazonS3/latest/API, Error
Responses. Another 404 is about the one object.
"""


class ObjectMedia:
    """Reading, listing and deleting."""

    def __init__(self, objects: obstore.store.ObjectStore) -> None:
        self._objects = objects

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """The bytes from `start`, at most `length`."""
        if start < 0 or length <= 0:
            raise ValueError("a range starts at 0 or later and has at least one byte")
        with translated(key):
            found = obstore.get(self._objects, checked_key(key), options={"range": (start, start + length)})
        return _chunks(key, found)

    def stat(self, key: str) -> Stored | None:
        """What is stored under the key, or None."""
        try:
            with translated(key):
                return _stored(obstore.head(self._objects, checked_key(key)))
        except Expired:
            return None

    def delete(self, key: str) -> None:
        """Remove the file; a missing one is success."""
        with suppress(Expired), translated(key):
            obstore.delete(self._objects, checked_key(key))

    def list_prefix(self, prefix: str) -> Iterator[Stored]:
        """Every file whose key begins so. Quickest where `prefix` is a folder and ends with its slash."""
        folder = prefix.rpartition("/")[0]
        with translated(prefix):
            for page in obstore.list(self._objects, checked_key(folder) if folder else None):
                yield from (_stored(meta) for meta in page if is_key(meta["path"]) and meta["path"].startswith(prefix))

    def check(self) -> None:
        """Write, read back and delete a small file, or raise what is wrong."""
        key, body = f"check/{secrets.token_hex(8)}.txt", secrets.token_bytes(64)
        try:
            with translated(key):
                obstore.put(self._objects, key, body, mode="create")
                same = bytes(obstore.get(self._objects, key).bytes()) == body
        except Expired as error:
            raise StorageDenied("storage has no such bucket or folder") from error
        self.delete(key)
        if not same:
            raise StorageUnavailable("storage gave back other bytes than it was given")


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Obstore's errors, and the built-in ones it raises, as ours."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise StorageDenied("storage has no such bucket") from error
        raise Expired(f"nothing is stored under {key}", marketer="This file is no longer kept.") from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise StorageDenied(f"storage refuses us: {_first_line(error)}") from error
    except BaseError as error:
        raise StorageUnavailable(f"storage: {_first_line(error)}") from error


def _chunks(key: str, found: obstore.GetResult) -> Iterator[bytes]:
    with translated(key):
        for chunk in found.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)


def _stored(meta: obstore.ObjectMeta) -> Stored:
    modified = meta["last_modified"].timestamp()
    return Stored(key=meta["path"], sha256=hash_in_key(meta["path"]), size=meta["size"], modified_at=modified)


def _first_line(error: Exception) -> str:
    return redact(str(error).partition("\n")[0])[:_QUOTED]
