"""Where a finished clip can stand in an answer: one rule for every adapter.

First the places that servers are known to use, best first: the name of a link (`video_url`, `downloadUrl`, `src` …)
inside any of the objects that they wrap a result in (`data`, `output`, `metadata`, `resultJson` …). Then every other
place, as long as what stands there is plainly the address of a video, or the place's name says that it holds one. What
was sent with the request (`input`, `param`, `image`), and addresses of something else (`polling_url`, `cover`), are
never taken. Names are compared without case, hyphens and underscores, and what is JSON in a string is read as well.

A clip may also stand in the answer itself, in base64, with or without `data:` before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pipelines.net import DATA_URL, from_base64
from pipelines.providers.clip_sources import begins_as_video
from pipelines.providers.vocabulary import fields_of, parsed, squeezed

MOST, DEEPEST = 8, 8
LONGEST = 8192
"""Characters of a link; a clip inside an answer (`data:`) is none."""

_NAMES = (
    "videourl", "videouri", "videourls", "videouris", "url", "uri", "urls", "uris", "downloadurl", "downloaduri",
    "downloadurls", "downloadlink", "fileurl", "fileuri", "fileurls", "outputurl", "outputurls", "resulturl",
    "resulturls", "mediaurl", "mediaurls", "contenturl", "contenturi", "signedurl", "signedurls", "playurl",
    "cdnurl", "publicurl", "s3url", "gcsuri", "storageurl", "src", "href", "link", "links", "videolink", "videosrc",
    "mp4", "mp4url", "originurl", "originurls", "originalurl", "resourceurl", "resource", "finalurl", "finalvideourl",
    "unsignedurl", "unsignedurls", "presignedurl", "objecturl", "location", "download", "downloads", "path",
    "failreason",
)  # fmt: skip
_WRAPPERS = (
    "video", "videos", "output", "outputs", "result", "results", "resultjson", "resultinfo", "resultobject",
    "resultdata", "data", "response", "resp", "metadata", "content", "contents", "assets", "asset", "artifacts",
    "artifact", "files", "file", "media", "job", "jobs", "task", "tasks", "taskresult", "taskinfo", "generation",
    "generations", "generatedvideos", "generatedsamples", "generatevideoresponse", "outputvideo", "videoresult",
    "creations", "creation", "works", "work", "items", "item", "payload", "body", "info", "clips", "clip", "samples",
    "predictions", "medias", "resources", "choices", "message",
)  # fmt: skip
_WEAK = frozenset({"path", "failreason", "resource", "download", "downloads", "location", *_WRAPPERS})
"""Names that hold other things as well: only what is plainly an address counts there."""
_NOT_HERE = re.compile(
    r"input|request|param|prompt|reference|image|picture|frame|callback|webhook|notify|thumb|cover|poster|sprite|audio"
    r"|music|voice|sound|subtitle|caption|title|descri|preview|example|avatar|logo|poll|status|cancel|delete|logs|docs|help"
    r"|upload"
)
_NEVER = frozenset({"get", "self", "stream", "web", "next", "prev", "api", "schema"})
"""Names, and parts of names, of places that hold what was sent, or lead to something else."""
_SAYS_VIDEO = re.compile(r"video|movie|film|mp4|clip")
_VIDEO_FILES = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".mpeg", ".mpg", ".ts")
_SECOND_CHOICE = re.compile(r"\.m3u8|\.mpd|watermark(?!ed=0)", re.IGNORECASE)
"""A playlist is no file, and a copy with a watermark is not what was bought: only where there is nothing else."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_ENDINGS = "|".join(map(re.escape, _VIDEO_FILES))
_IN_TEXT = re.compile(
    rf"https?://[^\s\"'<>()\[\]{{}}\\]+?(?:{_ENDINGS})(?:\?[^\s\"'<>()\[\]\\]*)?(?=[\s\"'<>()\[\]\\.,;]|$)",
    re.IGNORECASE,
)
_OTHER_FILES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".mp3", ".wav", ".aac", ".m4a", ".srt", ".vtt", ".json",
    ".txt", ".zip", ".html",
)  # fmt: skip
_NO_CLIP = frozenset({"image", "audio", "thumbnail", "cover", "poster", "spritesheet", "subtitle", "lastframe"})
"""What the `type` of an entry says when its link leads to something else."""
_SMALLEST_CLIP, _HEAD = 256, 64
"""Characters of base64: of the smallest clip, and those that tell whether it is one."""


def links_of(body: Any) -> list[str]:
    """Every link in an answer, the most telling place first; at most `MOST`."""
    found = list(dict.fromkeys((*_found(body, DEEPEST), *_anywhere(body, DEEPEST))))
    return sorted(found, key=lambda link: _SECOND_CHOICE.search(link) is not None)[:MOST]


def clip_in(body: Any) -> bytes | None:
    """The clip that stands in an answer itself, in base64."""
    return next((clip for text in _texts(body, DEEPEST) if (clip := _decoded(text)) is not None), None)


def links_in_text(text: str) -> list[str]:
    """The links that an answer names which should have been a file: JSON, a bare link, or a sentence with one."""
    read = parsed(text)
    if isinstance(read, Mapping | list):
        return links_of(read)
    alone = _bare(read if isinstance(read, str) else text)
    return [alone] if is_link(alone, plain=False) else list(dict.fromkeys(_IN_TEXT.findall(text)))[:MOST]


def _found(value: Any, depth: int) -> Iterator[str]:
    """What stands in the places that servers are known to use."""
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
    elif (read := parsed(value)) is not None:
        yield from _held(read, depth - 1, plain=plain)
    elif is_link(link := _bare(value), plain=plain):
        yield link


def _anywhere(value: Any, depth: int, *, video: bool = False) -> Iterator[str]:
    """What is plainly a video, wherever it stands. `video`: the place's name says so, and any address counts."""
    if depth <= 0:
        return
    if isinstance(value, Mapping):
        if squeezed(value.get("type")) in _NO_CLIP:
            return
        for name, held in fields_of(value).items():
            if name not in _NEVER and (name in _NAMES or name in _WRAPPERS or not _NOT_HERE.search(name)):
                yield from _anywhere(held, depth - 1, video=video or _SAYS_VIDEO.search(name) is not None)
    elif isinstance(value, list):
        for entry in value:
            yield from _anywhere(entry, depth - 1, video=video)
    elif isinstance(value, str) and len(value) <= LONGEST:
        if (read := parsed(value)) is not None:
            yield from _anywhere(read, depth - 1, video=video)
        elif is_link(link := _bare(value), plain=False) and (video or _is_video_file(link)):
            yield link
        else:
            yield from _IN_TEXT.findall(value)


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Every text long enough to be a clip, but for what was sent."""
    if depth <= 0:
        return
    if isinstance(value, Mapping):
        for name, held in fields_of(value).items():
            if name in _NAMES or name in _WRAPPERS or not _NOT_HERE.search(name):
                yield from _texts(held, depth - 1)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry, depth - 1)
    elif isinstance(value, str) and len(value) >= _SMALLEST_CLIP:
        read = parsed(value)
        yield from _texts(read, depth - 1) if isinstance(read, Mapping | list) else [value]


def _decoded(text: str) -> bytes | None:
    """The clip that a text is; None for any other text."""
    start = DATA_URL.match(text.lstrip()[:_SMALLEST_CLIP])
    text = text.lstrip()[start.end() if start else 0 :]
    try:
        if not begins_as_video(from_base64(text[:_HEAD])):
            return None
        return from_base64(text)
    except ValueError:
        return None


def _bare(text: str) -> str:
    """A link without the brackets, quotes and backslashes round and in it."""
    return text.strip().strip("<>\"'`").replace("\\/", "/").strip()


def _is_video_file(link: str) -> bool:
    return urlsplit(link).path.lower().endswith(_VIDEO_FILES)


def is_link(text: str, *, plain: bool) -> bool:
    """Whether a text is the address of a clip: of any scheme, for what may be asked is decided elsewhere. `plain` takes
    a path without a host as well.
    """
    if not text or len(text) > LONGEST or re.search(r"\s", text) or text.lower().startswith("data:"):
        return False
    if not _ADDRESS.fullmatch(text) and not (plain and ("/" in text or "." in text)):
        return False
    try:
        path = urlsplit(text).path
    except ValueError:
        return False
    return not path.lower().endswith(_OTHER_FILES)
