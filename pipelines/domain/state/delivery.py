"""What a cut remembers of how it was put together and of its way into Airtable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.domain.planning.plan import SceneSettings
from pipelines.domain.planning.translation import SceneWords


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedScene:
    """A scene as it went into a film: its clip, and the words and settings that the film was made with."""

    scene_id: str
    clip_id: str
    prompt: str = ""
    caption: str | None = None
    narration: str | None = None
    sound: str | None = None
    translations: Mapping[str, SceneWords] = field(default_factory=dict)
    seconds: float = 0.0
    model: str = ""
    settings: SceneSettings = field(default_factory=SceneSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinReport:
    """The path that each join took, and what a person may want to know of it."""

    paths: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scenes: tuple[JoinedScene, ...] = ()
    """In the film of each hook in the first format and language: the others show the same. Empty in earlier films."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What is to be looked after in one table: `checks` of the present link, `tries` of all, and when (`at`)."""

    checks: int = 0
    tries: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """`checks` and `tries` of this round, `links` given ever, and whether the delivery `waits` for the base."""

    id: str | None = None
    """Airtable's own, once it has the file."""
    waited: int = 0
    """Checks of what Airtable was seen fetching, before its cells were read."""
    checks: int = 0
    tries: int = 0
    links: int = 0
    waits: bool = False
    extras: bool = False
    """Contact sheet and preview were tried."""
    verifications: Mapping[str, Verification] = field(default_factory=dict)
    """By table: where nobody waits for the file."""
