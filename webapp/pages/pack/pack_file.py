"""The ZIP of a pack, made of its rows and of stored files: any part of it, with nothing of it on disk or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.domain.stored_files import Pack
from pipelines.ports import MediaStore
from webapp.media import stored_bytes
from webapp.pages.pack import stored_zip


def archive_of(pack: Pack) -> list[stored_zip.Span]:
    """What stands where in it."""
    members = [stored_zip.Member(entry.name, entry.size, entry.crc32) for entry in pack.entries]
    return stored_zip.spans(members, pack.created_at)


def read(media: MediaStore, pack: Pack, archive: Sequence[stored_zip.Span], start: int, length: int) -> Iterator[bytes]:
    """`length` bytes of it from `start`, in pieces."""

    def member(number: int, start: int, length: int) -> Iterator[bytes]:
        entry = pack.entries[number]
        if entry.key is None:
            yield entry.text.encode()[start : start + length]
        else:
            yield from stored_bytes(media, entry.key, start, length)

    return stored_zip.read(archive, start, length, member)
