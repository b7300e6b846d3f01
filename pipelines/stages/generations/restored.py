"""A database that was restored does not know what was bought after its backup: that is looked for before buying."""

from __future__ import annotations

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.records import KNOWN_UNTIL, RESTORED, Generation, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.transitions import Actor, record, transition_generation, wake_equal, wake_run

LOOKED_FOR = "looked_for"
"""The event of a generation that may have been bought after the backup."""
LOOK_S = 7 * 86_400.0
"""So long after a restore. Providers keep a clip for days, and their lists grow."""


def gap(tx: Tx) -> tuple[float, float] | None:
    """Between which moments this database knows nothing; None for one that was never restored."""
    restored = tx.checkpoints.get(RESTORED)
    known = tx.checkpoints.get(KNOWN_UNTIL) if restored else None
    return (known.at, restored.at) if restored and known else None


def unknown_of(tx: Tx, run: Run, now: float) -> tuple[float, float] | None:
    """The moments that this database knows nothing of, where something may have been bought in them for a run."""
    found = gap(tx)
    return found if found is not None and run.created_at < found[1] <= now < found[1] + LOOK_S else None


def must_be_searched_for(tx: Tx, actor: Actor, run: Run, gen: Generation, card: CatalogueModel) -> bool:
    """Whether a request may have been sent after the backup. It is in doubt then, as if its answer had been lost:
    `reconcile` looks into the provider's list, and plans it again if it is not there. Where nothing can be looked up, a
    person decides.
    """
    found = unknown_of(tx, run, actor.now)
    if found is None or card.free:
        return False
    known_until, _ = found
    known_then = gen.created_at <= known_until
    if card.ability is Ability.KEY and known_then:
        # The same key gives the same job.
        return False
    # A request of before the backup may still be called back about, and its provider's list can be read.
    searchable = card.ability is Ability.LIST or (card.ability is Ability.CALLBACK and known_then)
    # Every request can be looked up; a person who was asked about the scene has said that it is to be bought.
    settled = [gen] if searchable else tx.generations.find(scene_id=gen.scene_id)
    if any(other.intent_at is not None and other.intent_at >= known_until for other in settled):
        return False
    doubt = {"intent_at": known_until, "polls": 0, "error": "may have been bought after the backup that was restored"}
    due = actor.now if searchable else None
    transition_generation(tx, actor, gen, GenerationStatus.UNKNOWN, next_at=due, **doubt)
    record(tx, actor, "generation", gen.id, gen.run_id, LOOKED_FOR, scene=gen.scene_id)
    if not searchable:
        record(tx, actor, "generation", gen.id, gen.run_id, "in_doubt", scene=gen.scene_id)
        wake_equal(tx, actor, gen)
        wake_run(tx, gen.run_id, actor.now)
    return True
