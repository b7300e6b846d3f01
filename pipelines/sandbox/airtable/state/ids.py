"""Airtable's ids (three letters and fourteen alphanumerics) and its timestamps."""

from __future__ import annotations

import re
import secrets
import string
from datetime import UTC, datetime

_ALPHABET = string.ascii_letters + string.digits
_SUFFIX = re.compile(r"[A-Za-z0-9]{14}")


def new_id(prefix: str) -> str:
    """A fresh id such as `rec` + 14 characters."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(14))


def is_id(value: object, prefix: str) -> bool:
    """Whether a value has the form of an id of that kind."""
    return isinstance(value, str) and value.startswith(prefix) and bool(_SUFFIX.fullmatch(value[len(prefix) :]))


def to_iso(moment: datetime) -> str:
    """ISO 8601 UTC with milliseconds, the only form in which Airtable writes a point in time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def now_iso() -> str:
    return to_iso(datetime.now(UTC))
