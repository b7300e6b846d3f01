"""How keys are made and which are refused."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath

from pipelines.domain.errors import InvalidOrder, Problem

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
