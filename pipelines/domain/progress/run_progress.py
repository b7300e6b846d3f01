"""How far a run is, as a fraction and in a sentence that a marketer understands."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.domain.lifecycle import RunStatus

_R = RunStatus
_STARTS: Mapping[RunStatus, float] = {
    _R.QUEUED: 0.0,
    _R.WRITING: 0.02,
    _R.NEEDS_APPROVAL: 0.1,
    _R.GENERATING: 0.1,
    _R.STITCHING: 0.85,
    _R.DELIVERING: 0.95,
    _R.DONE: 1.0,
}


def progress_of(status: RunStatus, clips_ready: int, scenes: int) -> float:
    """0 to 1. What has stopped shows how far it came."""
    generated = clips_ready / scenes if scenes else 0.0
    if status is _R.GENERATING or status not in _STARTS:
        return round(0.1 + 0.75 * generated, 3) if scenes else 0.0
    return _STARTS[status]


def clips_sentence(ready: int, scenes: int) -> str:
    """`2 of 4 clips are ready.`"""
    if ready == scenes:
        return "All clips are ready."
    return f"{ready} of {scenes} clips {'is' if ready == 1 else 'are'} ready."
