"""Records of what is in storage: a row for each object, how much there is of each kind and owner, and what is handed
out together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """What an object is for; it decides how long it is kept."""

    CLIP = "clip"
    CUT = "cut"
    EXTRA = "extra"
    """What belongs to a film: poster, captions, provenance, contact sheet, preview."""
    PIECE = "piece"
    FRAME = "frame"
    CARD = "card"
    INPUT = "input"


OF_FOLDERS = {
    "clips": FileKind.CLIP,
    "cuts": FileKind.CUT,
    "pieces": FileKind.PIECE,
    "sounds": FileKind.INPUT,
    "pictures": FileKind.INPUT,
    "frames": FileKind.FRAME,
    "cards": FileKind.CARD,
    "inputs": FileKind.INPUT,
}
"""By the first part of a key."""
REVOKED = "revoked"
"""The folder of what a restored database must hear of; no row knows these files, and nothing deletes them."""


def kind_of(key: str) -> FileKind | None:
    """What an object is by its key; None for one that no version of ours would have stored."""
    folder, _, rest = key.partition("/")
    kind = OF_FOLDERS.get(folder)
    return FileKind.EXTRA if kind is FileKind.CUT and "-" in rest else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One object in storage; `id` is its key. Equal content is stored once, for whoever came first: that one is its
    owner, whoever uses it later.
    """

    id: str
    kind: FileKind
    size: int
    sha256: str = ""
    run_id: str | None = None
    account_id: str | None = None
    base_id: str | None = None
    key_id: str | None = None
    created_at: float = 0.0
    last_used_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTotal:
    """How many files of a kind an owner has, and how large they are: what there is need not be added up."""

    id: str
    kind: FileKind
    account_id: str | None = None
    base_id: str | None = None
    key_id: str | None = None
    files: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """One file of a pack: what is in storage under `key`, or the words themselves."""

    name: str
    size: int
    crc32: int
    key: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The films of one take of a run with all that is posted with them, as one ZIP behind a permanent link.

    Its bytes follow from this row alone: nothing of it is stored, and any part of it can be sent.
    """

    id: str
    run_id: str
    take: int
    token: str
    entries: tuple[PackEntry, ...] = ()
    created_at: float = 0.0
