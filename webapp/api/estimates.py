"""Rehearsals: what would happen and what it would cost at most. Nothing here starts or spends anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.lifecycle import RunSource
from pipelines.domain.money import dollars
from pipelines.domain.orders.field_labels import for_clip, for_row
from pipelines.domain.orders.order import Order
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept, plan_run
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import credit_book
from pipelines.stages.spending.credit_book import Terms
from pipelines.stages.views import run_view
from webapp.api import answers
from webapp.concurrency import bounded
from webapp.context import actor, services


def usd(micro: int | None) -> float | None:
    """Micro-dollars as dollars; unknown stays unknown."""
    return None if micro is None else dollars(micro)


def of_record(request: StartRequest) -> answers.Estimate:
    """Reads the row, for a few seconds at most. Raises 504 when Airtable is slow, RecordGone, AirtableDenied."""
    core = services()
    return _answer(bounded(lambda: accept.dry_run(core, request)))


def of_order(order: Order, source: RunSource) -> answers.Estimate:
    """Needs nobody else."""
    found = accept.dry_run(services(), StartRequest(source=source, order=order), key_id=actor().key_id)
    problems = for_clip(found.problems) if source == "clip" else found.problems
    return _answer(found, problems)


def of_queue(base_id: str) -> answers.QueueEstimate:
    """Which rows a sweep would start now, and what their orders would cost together. Raises like `of_record`."""
    core = services()
    return bounded(lambda: _queue(core, base_id))


def _queue(core: Services, base_id: str) -> answers.QueueEstimate:
    rows = core.airtable.ready(base_id, core.clock.now())
    plans: list[answers.RowPlan] = []
    problems: list[Problem] = []
    total = 0
    with core.store.read() as tx:
        sold = credit_book.pays_in_credits(tx, core.prices, tx.account_id)
    for row in rows:
        try:
            plan = plan_run.plan_order(core, replace(row.order, adapt=True))
            quote = core.prices.whole(plan.charge_micro) if sold else plan.quote_micro
            total += quote
            shown = run_view.plan_view(plan, sold=sold)
            plans.append(answers.RowPlan(record_id=row.record_id, quote_usd=dollars(quote), plan=shown))
        except InvalidOrder as error:
            problems += [Problem(f"{row.record_id} {p.field}", p.message) for p in for_row(error.problems)]
        problems += [Problem(f"{row.record_id} {field}", sentence) for field, sentence in row.problems]
    with core.store.read() as tx:
        terms = credit_book.terms(tx, core.clock.now(), core.prices, tx.account_id, total)
    if terms is not None and terms.refusal is not None:
        problems.append(Problem("credits", terms.refusal.marketer))
    warnings = ["Rows with scenes of their own are quoted exactly only when they start."] if rows else []
    return answers.QueueEstimate(
        ok=not problems,
        quote_usd=dollars(total),
        records=[row.record_id for row in rows],
        plans=plans,
        problems=listed(problems),
        warnings=warnings,
    )


def _answer(found: accept.Estimate, problems: Sequence[Problem] | None = None) -> answers.Estimate:
    wrong = listed(found.problems if problems is None else problems)
    shown = shown_terms(found.terms)
    return answers.Estimate(
        ok=not wrong,
        quote_usd=usd(found.quote_micro if shown is None else shown.price_micro),
        **terms_view(found.terms),
        plan=run_view.plan_view(found.plan, sold=shown is not None) if found.plan else None,
        problems=wrong,
        warnings=list(found.warnings),
        title=found.title,
    )


def shown_terms(terms: Terms | None) -> Terms | None:
    """What stands in the place of Cost: nothing for the operator, who sees what a customer's row costs."""
    return terms if services().store.account_id is not None else None


def terms_view(terms: Terms | None) -> dict[str, Any]:
    """What is charged, and whether there are credits for it, as the API writes it."""
    if terms is None:
        return {"price_usd": None, "credits": None, "enough": None}
    return {"price_usd": dollars(terms.price_micro), "credits": terms.credits, "enough": terms.refusal is None}


def listed(problems: Sequence[Problem]) -> list[answers.FieldProblem]:
    """Problems as the API writes them."""
    return [answers.FieldProblem(field=p.field, message=p.message) for p in problems]
