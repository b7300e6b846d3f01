"""How far a run and its scenes are, from 0 to 1. Pure arithmetic on rows."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.lifecycle import IN_DOUBT, MOVING, GenerationStatus, RunStatus
from pipelines.domain.progress.run_progress import progress_of
from pipelines.domain.records import Generation, Run, Scene

_GUESS_UP_TO = 0.9
"""A guess by the clock never claims more of a clip than this."""
_CLIPS = 0.75
"""The part of a run that is making its clips."""


def of_run(run: Run, scenes: Sequence[float]) -> float:
    """`scenes` holds each scene's own share. Like the row's figure, but moving between two clips."""
    floor = progress_of(run.status, 0, len(scenes))
    if not scenes or (run.status in MOVING and run.status is not RunStatus.GENERATING) or run.status in _FIXED:
        return floor
    return round(floor + _CLIPS * sum(scenes) / len(scenes), 4)


def of_scene(scene: Scene, gen: Generation | None, card: CatalogueModel | None, now: float) -> float:
    """1 with a clip; else what the provider says, or a guess by the model's typical time."""
    if gen is None or gen.status in _OVER:
        return 1.0 if scene.clip_id else 0.0
    if gen.status is GenerationStatus.SUCCEEDED:
        return 0.95
    if gen.submitted_at is None or gen.status in IN_DOUBT:
        return 0.0
    if gen.progress:
        return min(gen.progress, 95) / 100
    typical = max(card.typical_s, 1.0) if card else 60.0
    guess = min(_GUESS_UP_TO, (now - gen.submitted_at) / typical * _GUESS_UP_TO)
    return round(max(0.02, guess), 4)


_FIXED = frozenset({RunStatus.DONE, RunStatus.NEEDS_APPROVAL})
_OVER = frozenset(
    {GenerationStatus.FETCHED, GenerationStatus.FAILED, GenerationStatus.ABANDONED, GenerationStatus.CANCELLED}
)
