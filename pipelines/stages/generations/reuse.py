"""Nothing is bought twice at the same moment: who wants an equal clip waits for the one that is being made.

What waits is a planned generation, with its money set aside: should the other fail, it is bought like any other. Only
what was sent is waited for, and what was sent waits for nobody, so that there is no circle. Whoever's purchase ends
makes those that wait due (transitions.wake_equal) in the same transaction.
"""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.errors import Busy
from pipelines.domain.keys import scene_of
from pipelines.domain.lifecycle import BEING_MADE, GenerationStatus, RunStatus
from pipelines.domain.records import Generation, Scene
from pipelines.ports import Tx
from pipelines.stages.generations.requests import cached_clip, is_late_draft, shared_with
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, transition_generation, wake_run
from pipelines.stages.spending import ledger

LOOK_S = 15.0
"""Who waits is woken; this is for a word that came while it was looking."""


def is_served(services: Services, actor: Actor, gen: Generation) -> bool:
    """Whether an equal clip has been bought meanwhile: the purchase is withdrawn, and its run takes that clip. Raises
    Busy while one is being made.
    """
    with services.store.read() as tx:
        run, scene = tx.runs.get(gen.run_id), tx.scenes.get(scene_of(gen.scene_id))
        if run is None or scene is None or scene.clip_id is not None:
            return False
        if is_late_draft(run, gen) if gen.request.draft else run.status is not RunStatus.GENERATING:
            return False
        if not _may_share(gen) or not _is_bought(tx, scene, gen):
            return False
    with services.store.write() as tx:
        run = tx.runs.get(run.id, lock=True) or run
        now = services.clock.now()
        ledger.free(tx, now, run, transition_generation(tx, replace(actor, now=now), gen, GenerationStatus.CANCELLED))
        wake_run(tx, run.id, now)
    return True


def must_be_only(tx: Tx, gen: Generation) -> None:
    """In the transaction that commits the intent. Raises Busy when an equal clip is there or is being made."""
    scene = tx.scenes.get(scene_of(gen.scene_id))
    if scene is None or not _may_share(gen):
        return
    tx.serialise(f"clip:{gen.fingerprint}")
    if _is_bought(tx, scene, gen):
        raise Busy(f"{gen.id}: an equal clip has just been bought", retry_after=0.0)


def _may_share(gen: Generation) -> bool:
    """What costs nothing is simply made again."""
    return gen.reserve_micro > 0


def _is_bought(tx: Tx, scene: Scene, gen: Generation) -> bool:
    """Purchases first, then clips: one that ends in between is seen as a clip. Raises Busy."""
    # An equal purchase that will end by itself. One whose doubt only a person can settle may stay for ever.
    found = tx.generations.find(status=tuple(BEING_MADE), **shared_with(scene, gen.fingerprint))
    lasting = (one for one in found if one.status is not GenerationStatus.UNKNOWN or one.next_at is not None)
    other = next((one for one in lasting if one.id != gen.id), None)
    if other is not None:
        waits = (
            f"The clip of scene {scene.number} is being made for an equal order at this moment: we wait for it, and it "
            "costs nothing here. Should it fail, it is bought for this video."
        )
        raise Busy(f"{gen.id} waits for {other.id}", marketer=waits, retry_after=LOOK_S)
    return cached_clip(tx, scene, gen.fingerprint) is not None
