"""What every purchase of a line, a picture or a translation goes through: it is ordered once, whoever wants it, begins
with its money, and ends with it.

Its intent is committed before it is asked for. An answer that got lost counts as spent, and is asked for once more
where the quote has room for it. What does not come is told in the run, which goes on without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipelines.domain.errors import Ambiguous, ReelgridError, Retryable
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, transition_purchase
from pipelines.stages.spending import ledger

logger = logging.getLogger(__name__)

_G = GenerationStatus


@dataclass(frozen=True, slots=True)
class Terms:
    """What differs between kinds of purchases. `tell` says in the run that one does not come; the rest are sentences
    for whoever reads that.
    """

    memo: str
    tries: Callable[[Purchase], int]
    tell: Callable[[Tx, Run, Purchase, str], None]
    no_money: str
    lost: str
    declined: str | None = None
    """None: what the refusal says itself."""


def planned(
    actor: Actor, run: Run, kind: Literal["speech", "picture", "translation"], fingerprint: str, reserve_micro: int
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


def ordered(tx: Tx, actor: Actor, new: Purchase) -> Purchase:
    """The purchase of the same thing as it stands: `FETCHED` where it is there. Else it is asked for, unless it is on
    its way, for whomever, or this run has tried in vain: then only a new start tries again.
    """
    tx.purchases.add(new)
    (bought,) = tx.purchases.find(fingerprint=new.fingerprint)
    in_vain = bought.run_id == new.run_id and bought.status in (_G.FAILED, _G.UNKNOWN)
    if bought.status in OPEN_PURCHASE or in_vain or is_there(tx, bought):
        return bought
    again = {"run_id": new.run_id, "tries": 0, "error": None, "file": None, "answer": (), "attempts": 0, **FREE}
    again |= {"next_at": actor.now, "created_at": actor.now, "reserve_micro": new.reserve_micro}
    transition_purchase(tx, actor, bought, _G.PLANNED, **again)
    return tx.purchases.find(fingerprint=new.fingerprint)[0]


def is_there(tx: Tx, bought: Purchase) -> bool:
    """Whether it was bought and, unless it is words alone, its file is still ours."""
    if bought.status is not _G.FETCHED:
        return False
    return bought.kind == "translation" or (bought.file is not None and tx.files.get(bought.file) is not None)


def must_have_lease(tx: Tx, actor: Actor, purchase_id: str) -> None:
    """Lock the purchase. Raises LostLease where another step works on it by now."""
    held = tx.purchases.get(purchase_id, lock=True)
    if held is None or held.lease_token != actor.lease:
        raise LostLease(purchase_id)


def begin(tx: Tx, actor: Actor, run: Run, planned: Purchase, asked: Purchase, terms: Terms) -> bool:
    """The intent `asked`, and the money for it; False where there is none for it, or somebody else has begun it."""
    if ledger.held(tx, run) < asked.reserve_micro:
        end(tx, actor, run, planned, terms, "the hold does not reach", terms.no_money)
        return False
    begun = {"tries": asked.tries, "intent_at": asked.intent_at, "reserve_micro": asked.reserve_micro}
    if not transition_purchase(tx, actor, planned, _G.SUBMITTING, **begun):
        return False
    ledger.reserve_line(tx, asked.intent_at or actor.now, run, asked.reserve_micro)
    return True


def close(
    tx: Tx, actor: Actor, run: Run, asked: Purchase, terms: Terms, to: GenerationStatus, cost: int, **changes: object
) -> bool:
    """A question has ended, and its money with it; False where somebody else has ended it."""
    if to is not _G.PLANNED:
        changes = {"next_at": None, **FREE, **changes}
    if not transition_purchase(tx, actor, asked, to, cost_micro=asked.cost_micro + cost, **changes):
        return False
    ledger.settle_line(tx, actor.now, run, asked.reserve_micro, cost, memo=terms.memo)
    return True


def lose(tx: Tx, actor: Actor, run: Run, asked: Purchase, terms: Terms) -> None:
    """Its answer counts as spent. One more question where the quote has room for it."""
    if asked.tries < terms.tries(asked):
        close(tx, actor, run, asked, terms, _G.PLANNED, asked.reserve_micro)
    elif close(tx, actor, run, asked, terms, _G.UNKNOWN, asked.reserve_micro, error="its answer was lost"):
        terms.tell(tx, run, asked, terms.lost)


def end(tx: Tx, actor: Actor, run: Run, planned: Purchase, terms: Terms, why: str, said: str) -> None:
    """It is not asked for any more: `why` for the operator, `said` in the run."""
    if transition_purchase(tx, actor, planned, _G.FAILED, error=why, next_at=None, **FREE):
        terms.tell(tx, run, planned, said)


def close_failed(
    services: Services, actor: Actor, run: Run, asked: Purchase, terms: Terms, error: ReelgridError
) -> None:
    """Where nothing was bought, it may be asked for again; a refusal is final, and what it cost is booked."""
    logger.warning("%s: %s", asked.id, error.operator)
    cost = min(error.cost_micro, asked.reserve_micro)
    with services.store.write() as tx:
        if isinstance(error, Ambiguous):
            lose(tx, actor, run, asked, terms)
        elif isinstance(error, Retryable):
            close(tx, actor, run, asked, terms, _G.PLANNED, cost, tries=asked.tries if cost else asked.tries - 1)
        elif close(tx, actor, run, asked, terms, _G.FAILED, cost, error=error.operator):
            terms.tell(tx, run, asked, terms.declined or error.marketer)


def abandon(tx: Tx, actor: Actor, run: Run, purchase_id: str, terms: Terms, why: str, said: str) -> None:
    """It cannot be had at all. What was asked for counts as spent."""
    bought = tx.purchases.get(purchase_id, lock=True)
    if bought is not None and bought.status is _G.SUBMITTING:
        lose(tx, actor, run, bought, terms)
        bought = tx.purchases.get(purchase_id)
    if bought is not None and bought.status is _G.PLANNED:
        end(tx, actor, run, bought, terms, why, said)
