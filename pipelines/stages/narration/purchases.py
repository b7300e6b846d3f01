"""What is bought beside clips, in one call that brings it: ordered once, whoever wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.transitions import FREE, Actor, transition_purchase

_G = GenerationStatus


def planned(
    actor: Actor, run: Run, kind: Literal["speech", "translation"], fingerprint: str, reserve_micro: int
) -> Purchase:
    """A purchase for a run that nobody has asked for yet; `reserve_micro` are millionths of a US dollar."""
    return Purchase(
        id=new_id("pur"),
        run_id=run.id,
        account_id=run.account_id,
        kind=kind,
        fingerprint=fingerprint,
        status=_G.PLANNED,
        reserve_micro=reserve_micro,
        next_at=actor.now,
        created_at=actor.now,
        updated_at=actor.now,
    )


def ordered(tx: Tx, actor: Actor, new: Purchase, is_there: Callable[[Purchase], bool]) -> Purchase | None:
    """The same purchase where it `is_there`; else None, and it is asked for, unless that is useless or done already."""
    tx.purchases.add(new)
    (bought,) = tx.purchases.find(fingerprint=new.fingerprint)
    in_vain = bought.run_id == new.run_id and bought.status in (_G.FAILED, _G.UNKNOWN)
    if is_there(bought):
        return bought
    if bought.status in OPEN_PURCHASE or in_vain:
        # It is on its way, for whomever; or this run has tried in vain, and only a new start tries again.
        return None
    again = {"run_id": new.run_id, "tries": 0, "error": None, "file": None, "answer": (), "attempts": 0, **FREE}
    again |= {"next_at": actor.now, "created_at": actor.now, "reserve_micro": new.reserve_micro}
    transition_purchase(tx, actor, bought, _G.PLANNED, **again)
    return None
