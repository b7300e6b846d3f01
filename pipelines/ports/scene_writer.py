"""Writing scenes, softening them, and naming what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.domain.planning.script import SceneText, Script
from pipelines.domain.planning.translation import Translated, Translation
from pipelines.ports.pictures import MediaInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What the scene writer is asked for."""

    master_prompt: str
    scenes: int
    seconds: float
    aspect_ratio: str
    style_notes: str | None = None
    title: str | None = None
    max_prompt: int = 4000
    run_id: str = ""
    narration_words: int | None = field(default=None, repr=False)
    """So many words at most are spoken over each scene; None where nobody speaks."""
    cast: bool = field(default=False, repr=False)
    """Whether to say who and what comes back in it, for pictures of them."""
    post: bool = field(default=False, repr=False)
    """Whether to write what is posted with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookBrief:
    """What further openings of a film are asked for: `count` scenes that may each stand in the place of the first."""

    brief: Brief
    scenes: tuple[SceneText, ...]
    """The film as it is, its first scene first."""
    count: int


class SceneWriter(Protocol):
    """Expands a master prompt, and softens a refused one. What was paid before an error is in its `cost_micro`."""

    def write(self, brief: Brief) -> Script:
        """Raises Refused, Unavailable, RateLimited, NotConfigured or OutOfCredit."""

    def write_hooks(self, brief: HookBrief) -> Script:
        """At most as many openings as asked: fewer, or none, where it has no more. Raises as `write`."""

    def cannot_translate(self) -> str | None:
        """Why nothing can be translated here; None where it can."""

    def translate(self, asked: Translation) -> Translated:
        """The lines in the other language, or a `shorter` one in its own, from one call that is never repeated by
        itself; whether they may be shown is not looked at. Raises as `write`, and Ambiguous where nobody knows whether
        it is paid for.
        """

    def quote_translation_micro(self, asked: Translation) -> int:
        """What one `translate` may cost at most."""

    def find_cast(self, prompts: Sequence[str]) -> Script:
        """Who comes back in scenes that people wrote, from one call: no scenes. Raises as `write`."""

    def quote_cast_micro(self, prompts: Sequence[str]) -> int | None:
        """What `find_cast` may cost at most; None where it cannot be asked for."""

    def soften(self, prompt: str, reason: str) -> Script:
        """One scene: the prompt reworded so that moderation may pass it."""

    def quote_micro(self, brief: Brief) -> int:
        """What `write` may cost at most."""

    def quote_hooks_micro(self, brief: HookBrief) -> int:
        """What `write_hooks` may cost at most."""

    def quote_softening_micro(self, prompt: str) -> int:
        """What `soften` of this prompt may cost at most."""

    def check(self) -> str:
        """A free call that proves key, address and model; one sentence for the doctor. Raises of the tree."""


class PromptCheck(Protocol):
    """Whether the operator allows words to be filmed."""

    def listed(self, texts: Sequence[str]) -> str | None:
        """What of them is on the operator's own list, such as “acme”, or None. Asks nobody."""

    def objection(self, texts: Sequence[str]) -> str | None:
        """What is not allowed about one of them, such as "violence", or None. Raises Unavailable while nobody can be
        asked.
        """


class Moderator(Protocol):
    """Names the likely culprit of a refusal, at no cost."""

    def culprit(self, prompt: str, images: Sequence[MediaInput]) -> str | None:
        """A sentence such as "the prompt (violence)", or None when nothing stands out or nobody can be asked."""
