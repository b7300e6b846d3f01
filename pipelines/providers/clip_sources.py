"""Every way to a finished clip, tried in order: nothing that is paid for is given up while another way is left.

An adapter names its sources, best first: the links in the answer, the server's own endpoint for the file, a fresh link.
Whatever fails on one (a refused address, a dead link, a page of HTML, an empty body, a server error, a file that is
not what was bought) leads to the next, and a source that answers with a link instead of the file leads there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipelines.domain.errors import (
    BadDelivery,
    Busy,
    Expired,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    ProviderFailed,
    ReelgridError,
    Unavailable,
    UnplayableMedia,
)
from pipelines.ports import Accept, anything

FILE = re.compile(r"(?:(v\d\w*)/)?files/([A-Za-z0-9_-]+)")
"""Google's name of a file in a link to it, and the version of the API before it."""
FILE_VERSION = "v1beta"
_HEAD, _LONGEST_TEXT = 512, 64 * 1024
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"})
_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"OggS",
    b"\x30\x26\xb2\x75",  # ASF
    b"\x06\x0e\x2b\x34",  # MXF
    b"DKIF",
    b"GIF8",
    b"YUV4MPEG2",
    b"\x00\x00\x01",  # MPEG program and elementary streams
    b"\x00\x00\x00\x01",  # H.264 and H.265 without a container
)
_PACKET, _SYNC = 188, 0x47
MOST_SOURCES = 24


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One way to a clip. `place` says for the operator where it is, without secrets."""

    place: str
    read: Callable[[Path], None]
    """Writes the file. Raises of the tree."""
    address: str = ""
    """What makes it the same source as another."""
    ours: bool = False
    """Whether our key opens it: then a 401 or 400 is about us or the moment, not about the clip."""


def download_first(
    subject: str,
    sources: Iterator[ClipSource],
    dest: Path,
    accept: Accept = anything,
    follow: Callable[[ClipSource, str], Iterable[ClipSource]] = lambda _source, _text: (),
) -> None:
    """Write the clip from the first source that yields a video which `accept` takes. `follow` gives the sources that a
    text names which came instead of a file.

    Raises Expired when every source says that it has none (any more), the common error where all failed alike, else
    Unavailable; each names all sources that were tried.
    """
    failures: list[tuple[str, ReelgridError]] = []
    tried: set[str] = set()
    named: list[ClipSource] = []
    while True:
        try:
            source = named.pop(0) if named else next(sources, None)
        except ReelgridError as error:
            failures.append(("a fresh answer", error))
            source = None
        if source is None or len(tried) >= MOST_SOURCES:
            raise _failure(subject, failures)
        if source.address and source.address in tried:
            continue
        tried.add(source.address)
        failed = _try(source, dest, accept)
        if failed is None:
            return
        failures.append((source.place, failed))
        named += follow(source, failed.body) if failed.body else ()


def _try(source: ClipSource, dest: Path, accept: Accept) -> ReelgridError | None:
    """What went wrong with one source; None when the clip is there."""
    try:
        source.read(dest)
        must_be_video(dest)
        accept(dest)
    except Busy:
        # Our own disk: no other source would do better.
        raise
    except httpx.InvalidURL as error:
        return Expired(f"not a usable address: {type(error).__name__}")
    except ReelgridError as error:
        dest.unlink(missing_ok=True)
        judged = _judged(error, source)
        judged.body = error.body
        return judged
    return None


def _judged(error: ReelgridError, source: ClipSource) -> ReelgridError:
    refused = isinstance(error, InvalidOrder | ProviderFailed | NotConfigured | OutOfCredit)
    if refused and not source.ours:
        # A link that came with an answer and is refused is dead: 400 "ExpiredToken", 401, 402, 403 …
        return Expired(error.operator)
    if isinstance(error, InvalidOrder | ProviderFailed):
        # A 4xx to a download is about the file, not about the order.
        return BadDelivery(error.operator)
    if isinstance(error, NotConfigured | OutOfCredit):
        # What is paid for is not given up because a key was changed or an account ran empty meanwhile.
        return Unavailable(error.operator)
    return error


def _failure(subject: str, failures: list[tuple[str, ReelgridError]]) -> ReelgridError:
    if not failures:
        return Expired(f"{subject}: no answer names a place where the clip is")
    told = "; ".join(f"{place}: {error.operator}" for place, error in failures)
    kinds = {type(error) for _, error in failures}
    if BadDelivery in kinds:
        # Something is there, and a link that is dead beside it changes nothing about that.
        kinds.discard(Expired)
    kind = kinds.pop() if len(kinds) == 1 else Unavailable
    if not issubclass(kind, Expired | BadDelivery | UnplayableMedia | Unavailable):
        kind = Unavailable
    waits = [error.retry_after for _, error in failures if error.retry_after is not None]
    return kind(f"{subject}: the clip came from nowhere ({told})", retry_after=max(waits, default=None))


def must_be_video(path: Path) -> None:
    """Raises BadDelivery for what no video begins with: a picture, an archive, an error in plain text."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if not begins_as_video(head):
            error = BadDelivery("what came is no video")
            error.body = "" if b"\0" in head else (head + file.read(_LONGEST_TEXT)).decode(errors="replace")
            raise error


def begins_as_video(head: bytes) -> bool:
    """Whether a file that begins like this can be a video."""
    packets = len(head) > _PACKET and head[0] == head[_PACKET] == _SYNC
    riff = head.startswith(b"RIFF") and head[8:12] == b"AVI "
    return head[4:8] in _BOXES or head.startswith(_STARTS) or packets or riff
