"""Where the link to a finished clip can stand in an answer: one list of places for every adapter.

A place is the name of a link (`video_url`, `downloadUrl`, `src` …) inside any of the objects that servers wrap a result
in (`data`, `output`, `metadata`, `resultJson` …). Names are compared without case, hyphens and underscores, and what is
JSON in a string is read as well. What was sent with the request (`input`, `param`, `image`) is never searched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pipelines.providers.vocabulary import fields_of, squeezed

MOST, DEEPEST = 8, 8
LONGEST = 8192
"""Characters of a link; a clip inside an answer (`data:`) is none."""

_NAMES = (
    "videourl", "videouri", "videourls", "videouris", "url", "uri", "urls", "uris", "downloadurl", "downloaduri",
    "downloadurls", "downloadlink", "fileurl", "fileuri", "fileurls", "outputurl", "outputurls", "resulturl",
    "resulturls", "mediaurl", "mediaurls", "contenturl", "contenturi", "signedurl", "signedurls", "playurl",
    "cdnurl", "publicurl", "s3url", "gcsuri", "storageurl", "src", "href", "link", "links", "videolink", "videosrc",
    "mp4", "mp4url", "originurl", "originurls", "originalurl", "resourceurl", "resource", "finalurl", "finalvideourl",
    "unsignedurl", "unsignedurls", "download", "path", "failreason",
)  # fmt: skip
_WRAPPERS = (
    "video", "videos", "output", "outputs", "result", "results", "resultjson", "resultinfo", "resultobject",
    "resultdata", "data", "response", "metadata", "content", "contents", "assets", "asset", "artifacts", "artifact",
    "files", "file", "media", "job", "task", "taskresult", "taskinfo", "generation", "generations", "generatedvideos",
    "generatedsamples", "generatevideoresponse", "outputvideo", "videoresult", "creations", "creation", "works", "work",
    "items", "item", "payload", "body", "info", "clips", "clip", "samples", "predictions", "medias", "resources",
)  # fmt: skip
_WEAK = frozenset({"path", "failreason", "resource", "download", *_WRAPPERS})
"""Names that hold other things as well: only what is plainly an address counts there."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_OTHER_FILES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".mp3", ".wav", ".aac", ".m4a", ".srt", ".vtt", ".json",
    ".txt", ".zip", ".html",
)  # fmt: skip
_NO_CLIP = frozenset({"image", "audio", "thumbnail", "cover", "poster", "spritesheet", "text", "subtitle", "lastframe"})
"""What the `type` of an entry says when its link leads to something else."""


def links_of(body: Any) -> list[str]:
    """Every link in an answer, the most telling place first; at most `MOST`."""
    return list(dict.fromkeys(_found(body, DEEPEST)))[:MOST]


def _found(value: Any, depth: int) -> Iterator[str]:
    if depth <= 0:
        return
    if isinstance(value, list):
        for entry in value:
            yield from _entry(entry, depth)
    elif isinstance(value, Mapping) and squeezed(value.get("type")) not in _NO_CLIP:
        named = fields_of(value)
        for name in (*_NAMES, *_WRAPPERS):
            if name in named:
                yield from _held(named[name], depth, plain=name not in _WEAK)


def _entry(entry: Any, depth: int) -> Iterator[str]:
    if isinstance(entry, str):
        yield from _held(entry, depth, plain=False)
    else:
        yield from _found(entry, depth - 1)


def _held(value: Any, depth: int, *, plain: bool) -> Iterator[str]:
    """The links in what stands at a place; `plain` where a text can be nothing but a link."""
    if isinstance(value, list):
        for entry in value:
            yield from _held(entry, depth - 1, plain=plain) if isinstance(entry, str) else _found(entry, depth - 1)
    elif not isinstance(value, str):
        yield from _found(value, depth - 1)
    elif value.lstrip()[:1] in ("{", "[", '"'):
        yield from _held(_parsed(value), depth - 1, plain=plain)
    elif is_link(value, plain=plain):
        yield value.strip()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_link(text: str, *, plain: bool) -> bool:
    """Whether a text is the address of a clip: of any scheme, for what may be asked is decided elsewhere. `plain` takes
    a path without a host as well.
    """
    text = text.strip()
    if not text or len(text) > LONGEST or re.search(r"\s", text) or text.lower().startswith("data:"):
        return False
    if not _ADDRESS.fullmatch(text) and not (plain and ("/" in text or "." in text)):
        return False
    try:
        path = urlsplit(text).path
    except ValueError:
        return False
    return not path.lower().endswith(_OTHER_FILES)
