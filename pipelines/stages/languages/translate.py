"""Buying a translation, or a line that is said shorter: intent, one call, the answer looked at and kept.

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
from pipelines.stages.narration import lines, shorter
from pipelines.stages.spending import credit_book, purchases, stop_switch

logger = logging.getLogger(__name__)

_G = GenerationStatus
TROUBLES = 4
"""So often a language model that is away is asked; then the film is made without this language."""
PATIENCE_S = 20.0


def advance(services: Services, actor: Actor, purchase_id: str) -> None:
    """Ask for one translation, or for one line that is said shorter."""
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
            purchases.lose(tx, actor, run, bought, _terms(bought))
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
        if not purchases.begin(tx, actor, run, bought, asked, _terms(asked)):
            return
    services.points.reach("translation.intended", run=run.id, purchase=bought.id)
    try:
        found = services.writer.translate(replace(bought.texts, correction=bought.error))
    except ReelgridError as error:
        failure = error
        insist(lambda: purchases.close_failed(services, actor, run, asked, _terms(asked), failure))
        if isinstance(error, Retryable):
            raise
        return
    services.points.reach("translation.answered", run=run.id, purchase=bought.id)
    insist(lambda: _commit(services, actor, run, asked, found))
    services.points.reach("translation.committed", run=run.id, purchase=bought.id)


def _commit(services: Services, actor: Actor, run: Run, asked: Purchase, found: Translated) -> None:
    """An answer that may be shown is kept and given to the run; another one is paid for all the same."""
    fault, terms = fault_of(asked.texts, found.lines), _terms(asked)
    with services.store.write() as tx:
        now = replace(actor, now=services.clock.now())
        cost = min(found.cost_micro, asked.reserve_micro)
        if fault is not None and asked.tries < TRIES:
            purchases.close(tx, now, run, asked, terms, _G.PLANNED, cost, error=fault)
        elif fault is not None:
            logger.warning("%s: %s %s", run.id, asked.id, fault)
            if purchases.close(tx, now, run, asked, terms, _G.FAILED, cost, error=fault):
                wrote = "the shorter line" if asked.texts.shorter else "its translation"
                terms.tell(tx, run, asked, f"{wrote} {fault}, twice.")
        elif purchases.close(tx, now, run, asked, terms, _G.FETCHED, cost, answer=found.lines, error=None):
            credit_book.capture(tx, now.now, run, _charge(services, tx, run, asked, cost))
            bought = replace(asked, answer=found.lines)
            if bought.texts.shorter:
                shorter.give(tx, run, bought)
            else:
                translations.give(tx, now.now, run, bought)
            current = tx.runs.get(run.id) or run
            lines.order_lines(services, tx, now, current, tx.scenes.find(run_id=run.id, order="number"))


def _charge(services: Services, tx: Tx, run: Run, asked: Purchase, cost: int) -> int:
    if not asked.texts.shorter:
        return min(services.prices.translation(cost), run.known_plan.translation_due(1)[1])
    agreed = [scene.settings.speech_charge_micro for scene in shorter.wanted_by(tx, run, asked)]
    return min(services.prices.speech(cost), max(agreed, default=0))


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


def _tell_long(tx: Tx, run: Run, bought: Purchase, why: str) -> None:
    warn(tx, run, (f"{shorter.name_of(tx, run, bought)}: its words take too long for its clip; {why}",))


SHORTENED = replace(
    TERMS,
    memo="narration said shorter",
    tell=_tell_long,
    no_money="what was set aside for this video does not reach for having them said shorter.",
    lost="the language model did not answer, and may have charged for it. Start again to have them said shorter.",
    declined="the language model declined to say them shorter.",
)


def _terms(bought: Purchase) -> purchases.Terms:
    return SHORTENED if bought.texts.shorter else TERMS


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had at all: the language loses its films, and what is too long is said as it is."""
    with services.store.write() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
        if bought is None or run is None:
            return
        silent = "the language model does not answer."
        purchases.abandon(tx, actor, run, purchase_id, _terms(bought), error.operator, silent)
        wake_run(tx, run.id, services.clock.now())
