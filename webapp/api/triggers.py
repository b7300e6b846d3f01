"""What starts something: checked as far as can be seen, committed, and answered without asking anybody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import g
from pydantic import BaseModel

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.lifecycle import RunSource
from pipelines.domain.money import to_micro
from pipelines.domain.orders.field_labels import for_clip
from pipelines.domain.orders.order import Order
from pipelines.domain.records import QueueSweep
from pipelines.domain.times import iso
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from webapp.access import limits
from webapp.access.auth import must_have_key
from webapp.access.bases import allowed_base
from webapp.access.rules import Owner
from webapp.api import answers, estimates
from webapp.api.account import pay_per_call
from webapp.api.legacy import answers as legacy
from webapp.api.legacy.answers import LegacyAccepted, LegacyBought
from webapp.api.legacy.orders import Translated, of_a_clip, of_either
from webapp.api.notices import addresses
from webapp.api.operations import Effect, Reply, Tool, operation
from webapp.api.orders import (
    ClipOrder,
    ClipQuestion,
    FreeOrder,
    MasterPromptOrder,
    MasterPromptQuestion,
    QueueQuestion,
    QueueTrigger,
    RecordQuestion,
    RecordTrigger,
)
from webapp.context import actor, services
from webapp.errors import STARTS, Left, invalid_input


def kind_of(data: dict[str, Any]) -> type[BaseModel]:
    """Which question a body is: what it says in `for`, else by what only one request has."""
    named = data.get("for")
    if named == "process-master-prompt":
        return MasterPromptQuestion if "master_prompt" in data else RecordQuestion
    if isinstance(named, str) and named in _QUESTIONS:
        return _QUESTIONS[named]
    if "prompt" in data:
        return ClipQuestion
    if "master_prompt" in data:
        return MasterPromptQuestion
    return QueueQuestion if data.keys() <= _QUEUE_FIELDS else RecordQuestion


def order_or_row(data: dict[str, Any]) -> type[BaseModel]:
    """Whose master prompt is meant: the body's own, else the row's. Raises 422 where neither is named."""
    if not {"master_prompt", "record_id"} & data.keys():
        either = {"record_id": "master_prompt", "master_prompt": "record_id"}
        problems = tuple(Problem(name, f"is required, unless there is {other}.") for name, other in either.items())
        raise invalid_input(problems)
    return MasterPromptOrder if "master_prompt" in data else RecordTrigger


_QUESTIONS: dict[str, type[BaseModel]] = {
    "process-record": RecordQuestion,
    "process-queue": QueueQuestion,
    "generate-video": ClipQuestion,
}
_QUEUE_FIELDS = {"base_id", "dry_run", "for"}


_SPENDS: dict[str, Any] = {"owner": Owner.ACCOUNT, "scope": "trigger", "tag": "Start"}
_STARTED: dict[int, type[BaseModel]] = {202: answers.Accepted, 200: answers.Estimate}
_ORDERED: dict[int, Any] = {**_STARTED, 202: (answers.Accepted, LegacyAccepted, answers.Bought, LegacyBought)}
_PROBLEMS = (400, 401, 402, 403, 404, 409, 413, 415, 422, 429, 502, 503, 504, 507)


@operation(
    "POST",
    "/api/process-record",
    summary="Make the film of a row",
    bodies=(RecordTrigger,),
    answers=_STARTED,
    problems=_PROBLEMS,
    **_SPENDS,
)
def process_record(body: RecordTrigger) -> Reply:
    """Uses the row's Scenes, else its Prompt lines, else its Master Prompt. A row whose run is still moving, waits
    for approval or needs attention gets that run (`existing`).
    """
    return _record(body, "record")


@operation(
    "POST",
    "/api/process-master-prompt",
    summary="Make a film from a master prompt",
    bodies=(RecordTrigger, MasterPromptOrder),
    answers=_ORDERED,
    understood=of_either,
    problems=_PROBLEMS,
    choose=order_or_row,
    sold_by_call=True,
    tool=Tool("make_film", Effect.SPENDS, (MasterPromptOrder,)),
    **_SPENDS,
)
def process_master_prompt(body: RecordTrigger | MasterPromptOrder) -> Reply:
    """With `record_id`: the row's Master Prompt, always through the scene writer. With `master_prompt`: no Airtable,
    and the quote is in the answer.
    """
    if isinstance(body, RecordTrigger):
        return _record(body, "master_prompt")
    return _order(body, body.order(), "rest")


@operation(
    "POST",
    "/api/generate-video",
    summary="Make one clip",
    bodies=(ClipOrder,),
    sold_by_call=True,
    tool=Tool("generate_video", Effect.SPENDS),
    answers=_ORDERED,
    understood=of_a_clip,
    problems=_PROBLEMS,
    **_SPENDS,
)
def generate_video(body: ClipOrder) -> Reply:
    """Text to video, or image to video with `image_url`. No Airtable."""
    try:
        return _order(body, body.order(), "clip")
    except InvalidOrder as error:
        raise InvalidOrder(tuple(dict.fromkeys(for_clip(error.problems)))) from error


@operation(
    "POST",
    "/api/process-queue",
    summary="Start every row that is ready",
    bodies=(QueueTrigger,),
    answers={202: answers.SweepAccepted, 200: answers.QueueEstimate},
    problems=_PROBLEMS,
    **{**_SPENDS, "owner": Owner.OPERATOR},
)
def process_queue(body: QueueTrigger) -> Reply:
    """Every row with Status = Ready whose `Scheduled For` is empty or past. Made for scheduled automations."""
    base_id = allowed_base(body.base_id)
    if body.dry_run:
        return Reply(estimates.of_queue(base_id))
    sweep_id = accept.sweep_queue(services(), base_id, key_id=actor().key_id)
    url = f"{services().policy.public_url}/api/sweeps/{sweep_id}"
    return Reply(answers.SweepAccepted(sweep_id=sweep_id, status_url=url), 202, {"Location": url})


@operation(
    "GET",
    "/api/sweeps/{sweep_id}",
    summary="How a queue sweep went",
    owner=Owner.OPERATOR,
    scope="read",
    tag="Look",
    answers={200: answers.Sweep},
    problems=(401, 404, 429),
)
def sweep(sweep_id: str) -> Reply:
    """Which runs a `process-queue` request has started."""
    return Reply(_sweep(accept.sweep_view(services(), sweep_id)))


@operation(
    "POST",
    "/api/estimate",
    summary="Plan and quote, nothing else",
    bodies=(RecordQuestion, MasterPromptQuestion, ClipQuestion, QueueQuestion),
    answers={200: (answers.Estimate, answers.QueueEstimate)},
    problems=(400, 401, 403, 404, 413, 415, 422, 429, 502, 503, 504),
    choose=kind_of,
    understood=of_either,
    tool=Tool("estimate", Effect.READS, (MasterPromptQuestion, ClipQuestion, RecordQuestion)),
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Start",
)
def estimate(body: RecordQuestion | MasterPromptQuestion | ClipQuestion | QueueQuestion) -> Reply:
    """Takes the body of any request above; which one is told from its fields, or said in `for`. A row is quoted as
    process-record would make it, with `for: process-master-prompt` from its Master Prompt; a body of nothing but
    `base_id`, or an empty one, is that of process-queue. Rows are read now: 504 when Airtable is slow.
    """
    if isinstance(body, QueueQuestion):
        return Reply(estimates.of_queue(allowed_base(body.base_id)))
    if isinstance(body, RecordQuestion):
        source: RunSource = "master_prompt" if body.for_ == "process-master-prompt" else "record"
        return Reply(estimates.of_record(_request(body, source)))
    return Reply(estimates.of_order(body.order(), "clip" if isinstance(body, ClipQuestion) else "rest"))


def _request(body: RecordTrigger, source: RunSource) -> StartRequest:
    base_id = allowed_base(body.base_id)
    return StartRequest(
        source=source, base_id=base_id, table=body.table, record_id=body.record_id, order=None, fresh=body.fresh
    )


def _record(body: RecordTrigger, source: RunSource) -> Reply:
    must_have_key()
    request = _request(body, source)
    if body.dry_run:
        limits.count_read()
        return Reply(estimates.of_record(request))
    return started(request)


def _order(body: FreeOrder, order: Order, source: RunSource) -> Reply:
    request = request_of(body, order, source)
    if body.dry_run:
        must_have_key()
        limits.count_read()
        return Reply(estimates.of_order(order, source))
    if g.actor is not None:
        return started(request)
    sold = pay_per_call.sell(body, order, request)
    return replace(sold, body=_in_legacy_words(sold.body, request))


def request_of(body: FreeOrder, order: Order, source: RunSource) -> StartRequest:
    """What an order without a row starts. Raises 422 for an address that cannot be told."""
    webhook = None if body.webhook_url is None else addresses.sealed("webhook_url", body.webhook_url)
    told: dict[str, Any] = {"custom_id": body.custom_id, "metadata": body.metadata, "webhook": webhook}
    return StartRequest(source=source, order=order, fresh=order.fresh, **told)


def started(request: StartRequest) -> Reply:
    """Commit, and say where to look."""
    core = services()
    run = accept.start(core, replace(request, run_id=g.run_id, paced=True), key_id=actor().key_id)
    if run.rate_limit is not None:
        window = accept.STARTS_AT_ONCE * accept.START_EVERY_S
        limits.note(Left(STARTS, accept.STARTS_AT_ONCE, window, run.rate_limit.remaining, run.rate_limit.full_in_s))
    url = f"{core.policy.public_url}/api/runs/{run.run_id}"
    sold = run.price_micro if actor().account_id is not None else None
    body = answers.Accepted(
        run_id=run.run_id,
        status=run.status.value,
        existing=run.existing,
        status_url=url,
        page_url=core.links.page(run_id=run.run_id),
        quote_usd=estimates.usd(run.quote_micro if sold is None else sold),
        credits=None if run.price_micro is None else run.price_micro // core.prices.credit_micro,
    )
    return Reply(_in_legacy_words(body, request), 202, {"Location": url})


def _in_legacy_words(body: BaseModel | Mapping[str, Any], request: StartRequest) -> BaseModel | Mapping[str, Any]:
    """With them where the order was in them."""
    translated: Translated | None = g.get("translated")
    if translated is None or not translated.legacy:
        return body
    match body:
        case answers.Accepted():
            return legacy.accepted(body, translated.ignored, _usual_s(request))
        case answers.Bought():
            paid = to_micro(body.price_usd) // services().prices.credit_micro
            return legacy.bought(body, paid, translated.ignored, _usual_s(request))
    return body


def _usual_s(request: StartRequest) -> float:
    core = services()
    model = core.catalogue.get((request.order and request.order.model) or core.policy.default_model)
    return model.typical_s if model else 0.0


def _sweep(row: QueueSweep) -> answers.Sweep:
    return answers.Sweep(
        sweep_id=row.id,
        base_id=row.base_id,
        status=row.status,
        started=list(row.started),
        error=row.error,
        created_at=iso(row.created_at),
        finished_at=iso(row.finished_at),
    )
