"""Buying a translation: intent, one call, the answer looked at and kept.

It is committed before it is asked for, and asked for once. An answer that got lost counts as spent; what is wrong with
one that came is told to the translator once. Both are in the quote, and together no more than two questions: after them
the language loses its films, and its row says why.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from pipelines.domain.errors import Busy, ReelgridError, Retryable
from pipelines.domain.lifecycle import MOVING, OPEN_PURCHASE, GenerationStatus
from pipelines.domain.planning.translation import TRIES, Translated, fault_of, lost
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Tx, log_context
from pipelines.stages.generations.submit import insist
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, transition_purchase, wake_run, warn
from pipelines.stages.languages import translations
from pipelines.stages.narration import lines
from pipelines.stages.spending import credit_book, purchases, stop_switch

logger = logging.getLogger(__name__)

_G = GenerationStatus
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
            purchases.lose(tx, actor, run, bought, TERMS)
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
        purchases.must_have_lease(tx, actor, bought.id)
        if bought.reserve_micro:
            stop_switch.must_be_off(tx, run.base_id, run.account_id)
        if not purchases.begin(tx, actor, run, bought, asked, TERMS):
            return
    services.points.reach("translation.intended", run=run.id, purchase=bought.id)
    try:
        found = services.writer.translate(replace(bought.texts, correction=bought.error))
    except ReelgridError as error:
        failure = error
        insist(lambda: purchases.close_failed(services, actor, run, asked, TERMS, failure))
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
            purchases.close(tx, now, run, asked, TERMS, _G.PLANNED, cost, error=fault)
        elif fault is not None:
            logger.warning("%s: the translation into %s %s", run.id, asked.texts.language, fault)
            if purchases.close(tx, now, run, asked, TERMS, _G.FAILED, cost, error=fault):
                _tell(tx, run, asked, f"its translation {fault}, twice.")
        elif purchases.close(tx, now, run, asked, TERMS, _G.FETCHED, cost, answer=found.lines, error=None):
            agreed = run.known_plan.translation_due(1)[1]
            credit_book.capture(tx, now.now, run, min(services.prices.translation(cost), agreed))
            translations.give(tx, now.now, run, replace(asked, answer=found.lines))
            current = tx.runs.get(run.id) or run
            lines.order_lines(services, tx, now, current, tx.scenes.find(run_id=run.id, order="number"))


def _tell(tx: Tx, run: Run, bought: Purchase, why: str) -> None:
    warn(tx, run, (lost(bought.texts.language, why),))


TERMS = purchases.Terms(
    memo="translation",
    tries=lambda _: TRIES,
    tell=_tell,
    no_money="what was set aside for this video does not reach for its translation.",
    lost="the language model did not answer, and may have charged for it. Start again to have it translated.",
    declined="the language model declined to translate it.",
)


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had at all: the language loses its films."""
    with services.store.write() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
        if run is None:
            return
        silent = "the language model does not answer."
        purchases.abandon(tx, actor, run, purchase_id, TERMS, error.operator, silent)
        wake_run(tx, run.id, services.clock.now())
