"""What else one paid job made: further clips that cost nothing, kept as takes of their scene.

They are brought home after the clip that was ordered, in steps of their own, so that no film waits for them. What is
still to come stands in the generation's result until it is here, or cannot be had any more.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import BadDelivery, NotConfigured, Permanent, ReelgridError, Unavailable
from pipelines.domain.footage import Footage
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.records import Clip, Generation
from pipelines.domain.state.generation import JobResult
from pipelines.ports import Job, Tx
from pipelines.stages.generations import fetch
from pipelines.stages.kernel import leases
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, record

logger = logging.getLogger(__name__)


class _KnownAlready(Exception):
    """The same file as a clip that the scene has: a second address of it, and no take."""


def bring_next(services: Services, actor: Actor, gen: Generation) -> None:
    """Fetch and keep the first that is left. Raises Retryable while it may still come."""
    if not gen.result.takes:
        services.store.release("generations", gen.id, actor.lease or "", next_at=None, attempts=0)
        return
    path = services.work / "fetch" / f"{gen.id}-{(actor.lease or '')[:8]}-take.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with leases.renewed(services, "generations", gen.id, actor.lease or ""):
            footage = _download(services, gen, path)
            clip = fetch.keep_clip(services, gen, path, footage)
        _go_on(services, actor, gen, clip)
    except _KnownAlready:
        _go_on(services, actor, gen, None)
    except Permanent as error:
        give_up(services, actor, gen, error)
    finally:
        path.unlink(missing_ok=True)


def give_up(services: Services, actor: Actor, gen: Generation, error: ReelgridError) -> None:
    """The first that is left cannot be had: the others are looked after all the same."""
    logger.warning("generation %s: a further take is lost: %s", gen.id, error.operator)
    _go_on(services, actor, gen, None, lost=error.operator)


def _download(services: Services, gen: Generation, path: Path) -> Footage:
    """A playable file that is none of the clips that the scene has. Where its own address leads to one of those, it is
    no take; where another way leads there, it is only the wrong way.
    """
    with services.store.read() as tx:
        known = {clip.sha256 for clip in tx.clips.find(scene_id=gen.scene_id)}
    found: list[Footage] = []
    seen: list[str] = []

    def accept(file: Path) -> None:
        seen.append(fetch.sha256_of(file))
        if seen[-1] in known:
            raise BadDelivery("the file is a clip that is here already")
        found.append(fetch.probe(services, file, gen.request))

    job = Job(id=gen.job_id, status=GenerationStatus.SUCCEEDED, result=JobResult(url=gen.result.takes[0]))
    try:
        services.providers.get(gen.provider).fetch(job, gen.request, path, accept)
    except NotConfigured as error:
        # Only our own settings are wrong: it waits for them to be put right.
        raise Unavailable(error.operator, retry_after=fetch.MEND_PAUSE_S) from error
    except ReelgridError as error:
        if seen and seen[0] in known:
            raise _KnownAlready from error
        raise
    return found[-1]


def _go_on(services: Services, actor: Actor, gen: Generation, clip: Clip | None, *, lost: str | None = None) -> None:
    """One commit: the take, if it is one, and what is left."""
    left = gen.result.takes[1:]
    now = services.clock.now()
    with services.store.write() as tx:
        changes = {"result": replace(gen.result, takes=left), "next_at": now if left else None, "attempts": 0}
        if not tx.generations.change(gen.id, actor.fence(gen.status), **changes, **FREE):
            raise LostLease(gen.id)
        if clip is not None and tx.runs.get(gen.run_id) is not None:
            _add(tx, replace(actor, now=now), gen, clip)
        if lost is not None:
            record(tx, actor, "generation", gen.id, gen.run_id, "take_lost", scene=gen.scene_id, error=lost)


def _add(tx: Tx, actor: Actor, gen: Generation, clip: Clip) -> None:
    """Of its own mark, so that an equal order is never served with it instead of the clip that was bought; and of no
    generation, whose cost is that clip's.
    """
    mark = f"{gen.fingerprint}:{clip.sha256[:12]}"
    tx.clips.add(replace(clip, fingerprint=mark, generation_id=None, created_at=actor.now))
    record(tx, actor, "clip", clip.id, gen.run_id, "another_take", scene=gen.scene_id)
