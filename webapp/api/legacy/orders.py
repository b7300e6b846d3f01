"""Orders in the words of earlier systems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.domain.errors import Problem
from webapp.errors import invalid_input


@dataclass(frozen=True, slots=True)
class Translated:
    """A body in our words."""

    data: dict[str, Any]
    legacy: bool
    """Whether it was in those of an earlier system."""
    ignored: tuple[str, ...] = ()
    """Of what was sent, what has no meaning here."""


LEGACY_FIELDS: Mapping[str, str] = {
    "model, prompt, type, options": "what is in `options` as if it stood beside it; `type` is `text-to-video` or "
    "`image-to-video`, which needs a picture",
    "aspect_ratio": "`landscape` is `16:9`, `portrait` `9:16`, `square` `1:1`",
    "quality": "`standard` is the `resolution` `720p`, `hd` `1080p`",
    "n_frames": "`seconds`, of a film `clip_seconds`; a number, or one in quotes",
    "image_urls": "the first is `image_url`, the others are `references`",
    "remove_watermark": "nothing: no model here adds one",
}
"""What orders of earlier systems said, and what is understood."""
_VALUES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "aspect_ratio": ("aspect_ratio", {"landscape": "16:9", "portrait": "9:16", "square": "1:1"}),
    "quality": ("resolution", {"standard": "720p", "hd": "1080p"}),
}
_TYPES = ("text-to-video", "image-to-video")
_IGNORED = ("remove_watermark",)
_PLAIN_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)


def translate(data: Mapping[str, Any], *, film: bool) -> Translated:
    """An order of an earlier system as one of ours; one of ours as it is. Raises 422 for two that differ."""
    ours = dict(data)
    problems: list[Problem] = []
    options = ours.pop("options", None)
    if isinstance(options, dict):
        for name, value in options.items():
            _set(ours, name, value, problems, where=f"options.{name}")
    elif options is not None:
        problems.append(Problem("options", "must be an object."))
    kind = ours.pop("type", None)
    for old, (name, words) in _VALUES.items():
        value = ours.get(old)
        if isinstance(value, str) and value.lower() in words:
            del ours[old]
            _set(ours, name, words[value.lower()], problems, where=old)
        elif old == "quality" and old in ours:
            problems.append(Problem(old, f"must be one of {', '.join(words)}."))
    if "n_frames" in ours:
        _set(ours, "clip_seconds" if film else "seconds", _number(ours.pop("n_frames")), problems, where="n_frames")
    if "image_urls" in ours and not film:
        _pictures(ours, ours.pop("image_urls"), problems)
    if kind is not None and str(kind).lower().replace("_", "-") not in _TYPES:
        problems.append(Problem("type", f"must be one of {', '.join(_TYPES)}."))
    elif kind is not None and str(kind).lower().startswith("image") and not ours.get("image_url"):
        problems.append(Problem("image_url", "is required for image-to-video."))
    ignored = tuple(name for name in _IGNORED if ours.pop(name, None) is not None)
    if problems:
        raise invalid_input(problems)
    return Translated(ours, legacy=ours != dict(data), ignored=ignored)


def _set(ours: dict[str, Any], name: str, value: Any, problems: list[Problem], *, where: str) -> None:
    if ours.setdefault(name, value) != value:
        problems.append(Problem(where, f"and {name} are given with different values."))


def _number(value: Any) -> Any:
    """What is no number is refused by the field that it is meant for."""
    return float(value) if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value) else value


def _pictures(ours: dict[str, Any], urls: Any, problems: list[Problem]) -> None:
    if not isinstance(urls, list) or not urls:
        problems.append(Problem("image_urls", "must be a list of at least one address."))
        return
    _set(ours, "image_url", urls[0], problems, where="image_urls")
    if urls[1:]:
        _set(ours, "references", urls[1:], problems, where="image_urls")


def of_a_clip(data: Mapping[str, Any]) -> Translated:
    """The order of one clip."""
    return translate(data, film=False)


def of_either(data: Mapping[str, Any]) -> Translated:
    """The order of a clip or of a film; what is said about a row has no other words."""
    options = data.get("options")
    named = data.keys() | (options.keys() if isinstance(options, dict) else set())
    if not {"prompt", "master_prompt"} & named:
        return Translated(dict(data), legacy=False)
    return translate(data, film="master_prompt" in named)
