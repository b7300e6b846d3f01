"""What a film is posted on, and what each platform takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipelines.domain.footage import Footage

_MB = 1_000_000


class Platform(StrEnum):
    """Where films are posted."""

    TIKTOK = "TikTok"
    REELS = "Reels"
    SHORTS = "Shorts"
    YOUTUBE = "YouTube"
    LINKEDIN = "LinkedIn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a platform takes, as read on 2026-11-29 at ayrshare.com/docs/media-guidelines and docs.getlate.dev; where
    pages disagree the narrower bound. `shape` None takes the film's own.
    """

    shape: str | None
    paste: tuple[str, ...]
    """`{post}` stands for where the text is."""
    shortest_s: float = 0.0
    longest_s: float | None = None
    largest: int | None = None
    """Bytes."""
    slowest_fps: float = 0.0
    fastest_fps: float | None = None
    longest_title: int | None = None
    """Characters."""


_COVER = "Cover: poster.jpg."
RULES: Mapping[Platform, Rules] = {
    Platform.TIKTOK: Rules(
        shape="9:16",
        shortest_s=3,
        longest_s=600,
        largest=1000 * _MB,
        slowest_fps=23,
        fastest_fps=60,
        paste=("Description: {post}.", "Tick “AI-generated content” under More options."),
    ),
    Platform.REELS: Rules(
        shape="9:16",
        shortest_s=3,
        longest_s=900,
        largest=300 * _MB,
        paste=("Caption: {post}.", _COVER, "Tick “Add AI label” under More options."),
    ),
    Platform.SHORTS: Rules(
        shape="9:16",
        longest_s=180,
        longest_title=100,
        paste=(
            "Title: up to 100 characters. Description: {post}.",
            "Answer “Altered content” with Yes if people could take the film for real.",
        ),
    ),
    Platform.YOUTUBE: Rules(
        shape="16:9",
        longest_title=100,
        paste=(
            "Title: up to 100 characters. Description: {post}.",
            "Thumbnail: poster.jpg. Subtitles: the .srt file, where there is one.",
            "Further languages: the .m4a files of the folder audio, as audio tracks in Studio.",
            "Answer “Altered content” with Yes if people could take the film for real.",
        ),
    ),
    Platform.LINKEDIN: Rules(
        shape=None,
        shortest_s=3,
        longest_s=1800,
        largest=500 * _MB,
        paste=("Text: {post}.", "Captions: the .srt file, where there is one."),
    ),
}


def shapes_of(platforms: tuple[Platform, ...]) -> tuple[str, ...]:
    """The shapes that a film has to have for these, besides its own."""
    return tuple(dict.fromkeys(shape for platform in platforms if (shape := RULES[platform].shape)))


def broken_limits(platform: Platform, footage: Footage, size: int, shape: str, title: str) -> Iterator[str]:
    """What a platform would not take of a film, each in a sentence."""
    rules = RULES[platform]
    if rules.shape is not None and shape != rules.shape:
        yield f"The film is {shape}; {platform} wants {rules.shape}."
    if footage.duration_s < rules.shortest_s:
        yield f"The film is {footage.duration_s:.1f} s long; {platform} takes {rules.shortest_s:.0f} s and more."
    if rules.longest_s is not None and footage.duration_s > rules.longest_s:
        yield f"The film is {footage.duration_s:.1f} s long; {platform} takes up to {rules.longest_s:.0f} s."
    if rules.largest is not None and size > rules.largest:
        yield f"The file has {size / _MB:.0f} MB; {platform} takes up to {rules.largest // _MB} MB."
    fps = float(footage.fps)
    if (fps and fps < rules.slowest_fps) or (rules.fastest_fps is not None and fps > rules.fastest_fps):
        bounds = f"{rules.slowest_fps:g} to {rules.fastest_fps:g}"
        yield f"The film has {fps:g} pictures a second; {platform} takes {bounds}."
    if rules.longest_title is not None and len(title) > rules.longest_title:
        yield f"The title has {len(title)} characters; {platform} takes up to {rules.longest_title}."
