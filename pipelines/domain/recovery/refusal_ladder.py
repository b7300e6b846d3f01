"""What is tried next for a scene whose generation failed. Pure: the history goes in, one rung comes out.

A refusal is climbed in this order: the same prompt again where the filter is fickle and free, a softened prompt if
the row allows it, another model, a placeholder card. When the provider and not the prompt is at fault: the same
model again, another model, a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.records import Generation

REROLLS = 2
SAME_MODEL_TRIES = 3


class AttemptKind(StrEnum):
    """What to do."""

    AGAIN = "again"
    REWRITE = "rewrite"
    OTHER_MODEL = "other_model"
    PLACEHOLDER = "placeholder"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Step:
    """The next rung; `model` names the other model where there is one."""

    attempt_level: AttemptKind
    model: str | None = None


def next_step(
    failures: Sequence[Generation], card: CatalogueModel, *, can_rewrite: bool, fallbacks: Sequence[str]
) -> Step:
    """`failures` are the failed generations of this scene's present take, oldest first; `card` is of the model used
    last; `can_rewrite`: a softened prompt is at hand, allowed and not tried; `fallbacks` are affordable models
    """
    last = failures[-1]
    here = [gen for gen in failures if gen.model == last.model and gen.status is GenerationStatus.FAILED]
    tried = {gen.model for gen in failures}
    others = [model for model in fallbacks if model not in tried]
    other = Step(AttemptKind.OTHER_MODEL, others[0]) if others else None
    if last.reason == Reason.REFUSED:
        return _after_refusal(here, card, other, rewrite=can_rewrite)
    if last.status is GenerationStatus.ABANDONED or last.cost_micro:
        # Paid for, or perhaps: whether this scene is paid for a second time is for a person to say.
        return Step(AttemptKind.ASK)
    if last.reason in (Reason.PROVIDER_ERROR, Reason.EXPIRED) and len(here) < SAME_MODEL_TRIES:
        return Step(AttemptKind.AGAIN)
    return other or Step(AttemptKind.ASK)


def _after_refusal(here: Sequence[Generation], card: CatalogueModel, other: Step | None, *, rewrite: bool) -> Step:
    refusals = sum(gen.reason == Reason.REFUSED for gen in here)
    if card.fickle_filter and refusals <= REROLLS:
        return Step(AttemptKind.AGAIN)
    if rewrite:
        return Step(AttemptKind.REWRITE)
    return other or Step(AttemptKind.PLACEHOLDER)
