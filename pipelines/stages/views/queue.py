"""What waits for what, and since when: from rows, never from the broker. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.domain.lifecycle import IN_FLIGHT, MOVING, GenerationStatus, RunStatus
from pipelines.domain.records import Run
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.views import sections, sentences

SOON_S = 60.0
"""A run that is due later than this waits for its time."""
EACH = 50
"""So many of one status are told, the oldest first."""
REQUESTS = 500
_AT_WORK = (RunStatus.QUEUED, RunStatus.WRITING, RunStatus.GENERATING, RunStatus.STITCHING)
_PLACE = (GenerationStatus.PLANNED, GenerationStatus.SUBMITTING)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits. `until` is when it goes on by itself, where that is known."""

    run_id: str
    title: str
    sentence: str
    since: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """All that waits for the same."""

    name: str
    advice: str
    runs: tuple[Waiting, ...]


@dataclass
class _Models:
    """Requests of one run at providers, by model: how many wait for a place, are being made, may have been taken."""

    waiting: dict[str, int] = field(default_factory=dict)
    making: dict[str, int] = field(default_factory=dict)
    doubt: dict[str, int] = field(default_factory=dict)
    since: float | None = None


def queue(services: Services) -> list[Group]:
    """What a person can do first, then what moves by itself."""
    now = services.clock.now()
    with services.store.read() as tx:
        moving = [run for status in sorted(MOVING) for run in _oldest(tx, status)]
        yours = [run for status in (RunStatus.NEEDS_APPROVAL, RunStatus.NEEDS_ATTENTION) for run in _oldest(tx, status)]
        requests = _requests(tx)
    later = [run for run in moving if run.status is RunStatus.QUEUED and (run.next_at or 0.0) > now + SOON_S]
    buying = [run for run in moving if run.status is RunStatus.GENERATING and run.id in requests]
    place = [run for run in buying if requests[run.id].waiting and not requests[run.id].making]
    asked = [run for run in buying if not requests[run.id].waiting and not requests[run.id].making]
    rest = [run for run in moving if run not in later and run not in buying]
    groups = [
        Group("You", "Open one to approve it, or to decide how it goes on.", _told(yours)),
        Group(
            "A place at a provider",
            "A provider makes only so many clips at once; the next in line goes as soon as one is there.",
            _bought(place, requests),
        ),
        Group(
            "A provider",
            "The clips are being made there. You may close this page.",
            _bought([run for run in buying if run not in place and run not in asked], requests),
        ),
        Group(
            "A provider's word",
            "It did not say whether it took a clip. We find out, or ask you. Nothing is bought twice meanwhile.",
            _bought(asked, requests),
        ),
        Group("Us", "Its turn comes in seconds, unless it says otherwise.", _told(_of(rest, _AT_WORK))),
        Group("Airtable", "The film is there; its row is being written.", _told(_of(rest, (RunStatus.DELIVERING,)))),
        Group("Its time", "It begins by itself when its time has come.", _told(later)),
    ]
    return [group for group in groups if group.runs]


def _oldest(tx: Tx, status: RunStatus) -> Sequence[Run]:
    return tx.runs.find(status=status, order="created_at", limit=EACH)


def _requests(tx: Tx) -> Mapping[str, _Models]:
    found: dict[str, _Models] = {}
    for status in sorted({*_PLACE, *IN_FLIGHT, GenerationStatus.UNKNOWN}):
        for gen in tx.generations.find(status=status, order="updated_at", limit=REQUESTS):
            models = found.setdefault(gen.run_id, _Models())
            in_doubt = gen.status is GenerationStatus.UNKNOWN
            by_model = models.doubt if in_doubt else models.waiting if gen.status in _PLACE else models.making
            by_model[gen.model] = by_model.get(gen.model, 0) + 1
            models.since = min(gen.updated_at, models.since or gen.updated_at)
    return found


def _of(runs: Iterable[Run], statuses: Sequence[RunStatus]) -> list[Run]:
    return [run for run in runs if run.status in statuses]


def _told(runs: Iterable[Run]) -> tuple[Waiting, ...]:
    """The oldest first."""
    lines = [
        Waiting(
            run.id,
            sections.title(run),
            sentences.now_sentence(run),
            run.updated_at,
            run.next_at if run.status is RunStatus.QUEUED else None,
        )
        for run in runs
    ]
    return tuple(sorted(lines, key=lambda line: line.since))


def _bought(runs: Iterable[Run], requests: Mapping[str, _Models]) -> tuple[Waiting, ...]:
    lines = [
        Waiting(run.id, sections.title(run), _sentence(requests[run.id]), requests[run.id].since or run.updated_at)
        for run in runs
    ]
    return tuple(sorted(lines, key=lambda line: line.since))


def _sentence(models: _Models) -> str:
    parts = [f"{_clips(number)} being made at {model}" for model, number in sorted(models.making.items())]
    parts += [f"{_clips(number)} waiting for a place at {model}" for model, number in sorted(models.waiting.items())]
    parts += [f"{_clips(number)} in doubt at {model}" for model, number in sorted(models.doubt.items())]
    return f"{', '.join(parts)}."


def _clips(number: int) -> str:
    return "1 clip" if number == 1 else f"{number} clips"
