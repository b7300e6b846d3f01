"""How keys are made, which are refused, and what they promise of a file."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.ports import Stored

CHUNK = 1024 * 1024

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)
_MAX_KEY = 512
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def content_key(kind: str, sha256: str, suffix: str, when: datetime) -> str:
    """`{kind}/{yyyy}/{mm}/{sha256}.{suffix}`: the same content of a month is stored once."""
    return checked_key(f"{kind}/{when:%Y}/{when:%m}/{sha256}.{suffix.lstrip('.')}")


def checked_key(key: str) -> str:
    """The key, if it can lead nowhere else on a disk or in a bucket. Raises `InvalidOrder`."""
    if len(key) > _MAX_KEY or not _KEY.fullmatch(key) or ".." in key:
        raise InvalidOrder([Problem("key", "is no key of our storage.")])
    return key


def is_key(text: str) -> bool:
    """Whether a listed name is one of ours, and not a draft or a stranger's file."""
    return _KEY.fullmatch(text) is not None


def hash_in_key(key: str) -> str:
    """The SHA-256 a content key carries, or nothing."""
    stem = PurePosixPath(key).stem
    return stem if _SHA256.fullmatch(stem) else ""


def conflict(key: str, message: str) -> InvalidOrder:
    """The refusal of a file that does not belong under its key."""
    return InvalidOrder([Problem(key, message)])


def already_there(found: Stored, sha256: str, size: int) -> Stored:
    """Success, if what is there can be what we bring. Raises `InvalidOrder` when it cannot."""
    if found.size != size:
        raise conflict(found.key, f"is taken by another file of {found.size} bytes.")
    return Stored(key=found.key, sha256=sha256, size=size)


def hashed(path: Path, key: str) -> str:
    """The file's SHA-256. Raises `InvalidOrder` when the key promises another."""
    with path.open("rb") as file:
        return _as_promised(hashlib.file_digest(file, "sha256").hexdigest(), key)


def hashed_copy(source: IO[bytes], sink: IO[bytes], key: str) -> str:
    """Copy and hash in one pass. Raises `InvalidOrder` when the key promises another SHA-256."""
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        sink.write(chunk)
    return _as_promised(digest.hexdigest(), key)


def _as_promised(sha256: str, key: str) -> str:
    if hash_in_key(key) not in {"", sha256}:
        raise conflict(key, "names the hash of another file.")
    return sha256
