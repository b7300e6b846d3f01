"""Buying a translation: intent, one call, the answer looked at and kept.

It is committed before it is asked for, and asked for once. An answer that got lost counts as spent; what is wrong with
one that came is told to the translator once. Both are in the quote, and together no more than two questions: after them
the language loses its films, and its row says why.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from pipelines.domain.errors import Ambiguous, Busy, ReelgridError, Retryable
from pipelines.domain.lifecycle import MOVING, OPEN_PURCHASE, GenerationStatus
from pipelines.domain.planning.translation import TRIES, Translated, fault_of, lost
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Tx, log_context
from pipelines.stages.generations.submit import insist
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, LostLease, transition_purchase, wake_run, warn
from pipelines.stages.languages import translations
from pipelines.stages.narration import lines
from pipelines.stages.spending import credit_book, ledger, stop_switch

logger = logging.getLogger(__name__)

_G = GenerationStatus
NO_MONEY = "what was set aside for this video does not reach for its translation."
LOST = "the language model did not answer, and may have charged for it. Start again to have it translated."
DECLINED = "the language model declined to translate it."
TROUBLES = 4
"""So often a language model that is away is asked; then the film is made without this language."""
PATIENCE_S = 20.0


def advance(services: Services, actor: Actor, purchase_id: str) -> None:
    """Ask for one translation."""
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
    if bought is None or run is None or bought.status not in OPEN_PURCHASE:
        services.store.release("purchases", purchase_id, actor.lease or "", next_at=None, attempts=0)
        return
    log_context.add(run_id=run.id)
    if bought.status is _G.SUBMITTING:
        # Whoever asked has died, and the answer with them.
        with services.store.write() as tx:
            _lose(tx, actor, run, bought)
            bought = tx.purchases.get(bought.id) or bought
        services.points.reach("translation.lost", run=run.id, purchase=bought.id)
    if bought.status is _G.PLANNED and run.status not in MOVING:
        with services.store.write() as tx:
            transition_purchase(tx, actor, bought, _G.CANCELLED, next_at=None, **FREE)
    elif bought.status is _G.PLANNED:
        try:
            _ask(services, actor, run, bought)
        except Busy:
            # A switch of ours: however long it takes, no language is given up for it.
            raise
        except Retryable as error:
            if bought.attempts >= TROUBLES:
                give_up(services, actor, purchase_id, error)
                return
            error.retry_after = None if error.retry_after is None else min(error.retry_after, PATIENCE_S)
            raise
    with services.store.write() as tx:
        wake_run(tx, run.id, services.clock.now())
    # One that is to be asked for once more is due at once.
    services.store.release("purchases", purchase_id, actor.lease or "", next_at=services.clock.now(), attempts=0)


def _ask(services: Services, actor: Actor, run: Run, bought: Purchase) -> None:
    intent_at = services.clock.now()
    asked = replace(bought, status=_G.SUBMITTING, tries=bought.tries + 1, intent_at=intent_at)
    with services.store.write() as tx:
        held = tx.purchases.get(bought.id, lock=True)
        if held is None or held.lease_token != actor.lease:
            raise LostLease(bought.id)
        if bought.reserve_micro:
            stop_switch.must_be_off(tx, run.base_id, run.account_id)
        if ledger.held(tx, run) < bought.reserve_micro:
            _end(tx, actor, run, bought, "the hold does not reach", NO_MONEY)
            return
        if not transition_purchase(tx, actor, bought, _G.SUBMITTING, tries=asked.tries, intent_at=intent_at):
            return
        ledger.reserve_line(tx, intent_at, run, bought.reserve_micro)
    services.points.reach("translation.intended", run=run.id, purchase=bought.id)
    try:
        found = services.writer.translate(replace(bought.texts, correction=bought.error))
    except ReelgridError as error:
        failure = error
        insist(lambda: _commit_error(services, actor, run, asked, failure))
        if isinstance(error, Retryable):
            raise
        return
    services.points.reach("translation.answered", run=run.id, purchase=bought.id)
    insist(lambda: _commit(services, actor, run, asked, found))
    services.points.reach("translation.committed", run=run.id, purchase=bought.id)


def _commit(services: Services, actor: Actor, run: Run, asked: Purchase, found: Translated) -> None:
    """An answer that may be shown is kept and given to the run; another one is paid for all the same."""
    fault = fault_of(asked.texts, found.lines)
    with services.store.write() as tx:
        now = replace(actor, now=services.clock.now())
        cost = min(found.cost_micro, asked.reserve_micro)
        if fault is not None and asked.tries < TRIES:
            _close(tx, now, run, asked, _G.PLANNED, cost, error=fault)
        elif fault is not None:
            logger.warning("%s: the translation into %s %s", run.id, asked.texts.language, fault)
            if _close(tx, now, run, asked, _G.FAILED, cost, error=fault, next_at=None, **FREE):
                _tell(tx, run, asked, f"its translation {fault}, twice.")
        elif _close(tx, now, run, asked, _G.FETCHED, cost, answer=found.lines, error=None, next_at=None, **FREE):
            agreed = run.known_plan.translation_due(1)[1]
            credit_book.capture(tx, now.now, run, min(services.prices.translation(cost), agreed))
            translations.give(tx, now.now, run, replace(asked, answer=found.lines))
            current = tx.runs.get(run.id) or run
            lines.order_lines(services, tx, now, current, tx.scenes.find(run_id=run.id, order="number"))


def _commit_error(services: Services, actor: Actor, run: Run, asked: Purchase, error: ReelgridError) -> None:
    """Where nothing was bought, it may be asked for again; a refusal is final, and what it cost is booked."""
    logger.warning("%s: %s", asked.id, error.operator)
    cost = min(error.cost_micro, asked.reserve_micro)
    with services.store.write() as tx:
        if isinstance(error, Ambiguous):
            _lose(tx, actor, run, asked)
        elif isinstance(error, Retryable):
            _close(tx, actor, run, asked, _G.PLANNED, cost, tries=asked.tries if cost else asked.tries - 1)
        elif _close(tx, actor, run, asked, _G.FAILED, cost, error=error.operator, next_at=None, **FREE):
            _tell(tx, run, asked, DECLINED)


def _lose(tx: Tx, actor: Actor, run: Run, asked: Purchase) -> None:
    """It counts as spent. One more question where the quote has room for it."""
    if asked.tries < TRIES:
        _close(tx, actor, run, asked, _G.PLANNED, asked.reserve_micro)
    elif _close(
        tx, actor, run, asked, _G.UNKNOWN, asked.reserve_micro, error="its answer was lost", next_at=None, **FREE
    ):
        _tell(tx, run, asked, LOST)


def _close(tx: Tx, actor: Actor, run: Run, asked: Purchase, to: GenerationStatus, cost: int, **changes: object) -> bool:
    """A question has ended, and its money with it; False where somebody else has ended it."""
    if not transition_purchase(tx, actor, asked, to, cost_micro=asked.cost_micro + cost, **changes):
        return False
    ledger.settle_line(tx, actor.now, run, asked.reserve_micro, cost, memo="translation")
    return True


def _end(tx: Tx, actor: Actor, run: Run, planned: Purchase, why: str, said: str) -> None:
    """It is not asked for any more."""
    if transition_purchase(tx, actor, planned, _G.FAILED, error=why, next_at=None, **FREE):
        _tell(tx, run, planned, said)


def _tell(tx: Tx, run: Run, bought: Purchase, why: str) -> None:
    warn(tx, run, (lost(bought.texts.language, why),))


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had at all: the language loses its films."""
    with services.store.write() as tx:
        bought = tx.purchases.get(purchase_id, lock=True)
        run = tx.runs.get(bought.run_id) if bought else None
        if bought is None or run is None:
            return
        if bought.status is _G.SUBMITTING:
            _lose(tx, actor, run, bought)
            bought = tx.purchases.get(purchase_id) or bought
        if bought.status is _G.PLANNED:
            _end(tx, actor, run, bought, error.operator, "the language model does not answer.")
        wake_run(tx, run.id, services.clock.now())
