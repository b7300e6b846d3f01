"""About how long a film still takes, for its row, its page and the API: by what its models usually take, and took
lately.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from statistics import median

from pipelines.domain.lifecycle import OPEN, GenerationStatus, RunStatus
from pipelines.domain.records import Generation, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services

_G = GenerationStatus
LATELY = 20
"""So many of a model's last clips tell how long the next one takes."""
JOIN_S = 15.0
"""Joining and handing over."""
OVERDUE = 0.25
"""What is late already takes about this part of the time it has taken so far."""
_MINUTE_S, _NAMED_S = 60.0, 300.0
"""A row is told rarely about what takes longer than this, so its sentence names the time of day."""


def sentence(services: Services, tx: Tx, run: Run) -> str | None:
    """`About 4 min left.`; None where nothing is known."""
    rest = seconds_left(services, tx, run)
    return None if rest is None else said(rest, services.clock.now())


def seconds_left(services: Services, tx: Tx, run: Run) -> float | None:
    """While clips are being made, until the film is there; None before anything is known."""
    if run.status is not RunStatus.GENERATING:
        return None
    gens = [gen for gen in tx.generations.find(run_id=run.id, order="attempt") if gen.status in OPEN]
    usual = {model: usual_s(services, tx, model) for model in {gen.model for gen in gens}}
    rest = [_rest(gen, usual[gen.model], services.clock.now()) for gen in gens if gen.status is not _G.UNKNOWN]
    return max(rest) + JOIN_S if rest else None


def usual_s(services: Services, tx: Tx, model: str) -> float:
    """What a clip of the model takes: the middle of what it took lately, else what the catalogue says."""
    done = tx.generations.find(model=model, status=_G.FETCHED, order="-updated_at", limit=LATELY)
    took = [gen.updated_at - gen.submitted_at for gen in done if gen.submitted_at is not None]
    if took:
        return median(took)
    card = services.catalogue.get(model)
    return card.typical_s if card else _MINUTE_S


def _rest(gen: Generation, usual: float, now: float) -> float:
    if gen.status is _G.SUCCEEDED:
        return 0.0
    taken = max(0.0, now - gen.submitted_at) if gen.submitted_at is not None else 0.0
    return max(usual - taken, taken * OVERDUE)


def said(rest: float, now: float) -> str:
    """So many seconds as a person is told them."""
    if rest < _MINUTE_S:
        return "Less than a minute left."
    minutes = math.ceil(rest / _MINUTE_S)
    if rest < _NAMED_S:
        return f"About {minutes} min left."
    until = datetime.fromtimestamp(now + rest, UTC)
    return f"About {minutes} min left, until {until:%H:%M} UTC."
