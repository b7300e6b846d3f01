"""Many orders in one request: all of them are started, or none, or those that can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from flask import Response, g

from pipelines.domain.customers.batches import Batch, ItemProblem
from pipelines.domain.errors import InvalidOrder, NotAllowed, Problem
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import CANCELLABLE, RunStatus
from pipelines.domain.money import dollars
from pipelines.domain.orders.field_labels import for_clip
from pipelines.domain.records import Event
from pipelines.domain.times import iso
from pipelines.stages.decisions import control
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import batch as batches
from pipelines.stages.orders.batch import BatchRequest, Item, Priced
from webapp import bodies
from webapp.access import limits
from webapp.access.rules import Owner
from webapp.api import answers, estimates
from webapp.api.batches import models
from webapp.api.batches.models import CLIP, FILM, BatchOrder, ClipItem, Envelope, FilmItem
from webapp.api.decisions import RunAction
from webapp.api.following import streams
from webapp.api.following.streams import Changes
from webapp.api.legacy.orders import of_either
from webapp.api.notices import addresses
from webapp.api.operations import Reply, operation
from webapp.api.queries import NewestQuery
from webapp.api.triggers import request_of
from webapp.context import actor, services
from webapp.errors import HttpProblem, invalid_input

BATCH_LIMIT = 1024 * 1024
_OWN: dict[str, Any] = {"owner": Owner.ACCOUNT, "tag": "Batches"}


@operation(
    "POST",
    "/api/batches",
    summary="Order many at once",
    bodies=(BatchOrder,),
    choose=lambda _: Envelope,
    limit=BATCH_LIMIT,
    answers={202: models.BatchView, 200: models.BatchEstimate},
    problems=(400, 401, 402, 403, 409, 413, 415, 422, 429, 503, 507),
    scope="trigger",
    **_OWN,
)
def create_batch(body: Envelope) -> Reply:
    """Up to 100 orders, each the body of generate-video or process-master-prompt, in at most 1 MiB. All are checked and
    priced first. With `on_error: refuse` one that cannot be made stops all, and every problem is named
    (`items[3].prompt`); with `skip` the others start. An `Idempotency-Key` covers the whole.
    """
    if body.dry_run:
        limits.count_read()
    items, problems = _read(body.items)
    found, refused = batches.priced(services(), items)
    problems += _as_ordered(items, refused)
    listed = tuple(_named(problems))
    if body.dry_run:
        return Reply(_rehearsed(found, listed))
    if listed and (body.on_error == "refuse" or not found):
        raise invalid_input(listed)
    started = _started(body, found, problems)
    return Reply(_view(services(), batches.view(services(), started.id)), 202, {"Location": _url(services(), started)})


@operation(
    "GET",
    "/api/batches",
    summary="List batches, newest first",
    query=NewestQuery,
    answers={200: models.BatchList},
    problems=(401, 403, 422, 429),
    scope="read",
    **_OWN,
)
def list_batches(query: NewestQuery) -> Reply:
    """Those of the last 90 days; `next_cursor` is null on the last page."""
    found, cursor = batches.listed(services(), query.limit, query.cursor)
    shown = [models.BatchSummary(**_summary(services(), one)) for one in found]
    return Reply(models.BatchList(batches=shown, next_cursor=cursor))


@operation(
    "GET",
    "/api/batches/{batch_id}",
    summary="How a batch is doing",
    answers={200: models.BatchView},
    problems=(401, 403, 404, 429),
    scope="read",
    **_OWN,
)
def get_batch(batch_id: str) -> Reply:
    """How many of its runs have each status, and what became of each order."""
    return Reply(_view(services(), batches.view(services(), batch_id)))


@operation(
    "GET",
    "/api/batches/{batch_id}/events",
    summary="What happens to a batch, as it happens",
    answers={200: (models.StreamedStatus, models.BatchView), 204: ()},
    problems=(401, 403, 404, 422, 429),
    scope="read",
    streams=True,
    **_OWN,
)
def batch_events(batch_id: str) -> Response:
    """Server-sent events, as those of one run: the statuses that its runs come to, each with its id, and after them one
    named `batch` with the batch as it is. 204 when every run is done, failed or cancelled and all of it was told.
    """
    core = services()
    return streams.stream(batch_id, lambda after: _changes(core, batch_id, after))


def _changes(core: Services, batch_id: str, after: int) -> Changes:
    found = batches.changes_after(core, batch_id, after)
    return Changes(
        events=[(event.id or 0, _status(found.now, event)) for event in found.events],
        name="batch",
        now=_view(core, found.now).model_dump(),
        version=found.version,
        last=(found.events[-1].id or after) if found.events else after,
        terminal=found.over,
    )


def _status(found: batches.BatchView, event: Event) -> dict[str, Any]:
    run = found.runs[event.run_id or ""]
    told = models.StreamedStatus(
        at=iso(event.at), run_id=run.id, custom_id=run.custom_id, old=event.old, new=event.new or ""
    )
    return told.model_dump()


@operation(
    "POST",
    "/api/batches/{batch_id}/cancel",
    summary="Cancel a batch",
    bodies=(RunAction,),
    answers={200: models.BatchView},
    problems=(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    scope="trigger",
    **_OWN,
)
def cancel_batch(batch_id: str, body: RunAction) -> Reply:
    """Every run that is not over. What is paid for is kept. A dry run answers with the batch as it is."""
    found = batches.view(services(), batch_id)
    # Those that wait first: each that is being made and stops makes room for one of them.
    for run in sorted(found.runs.values(), key=lambda one: one.status is not RunStatus.QUEUED):
        if run.status in CANCELLABLE and not body.dry_run:
            # It may have come to its end meanwhile.
            with suppress(NotAllowed):
                control.cancel(services(), run.id, actor().name, press=g.get("press"))
    return Reply(_view(services(), batches.view(services(), batch_id)))


def _rehearsed(found: Sequence[Priced], listed: Sequence[Problem]) -> models.BatchEstimate:
    """What the orders that can be made come to, and what stands against all of them together."""
    terms, problems = batches.terms(services(), found, actor().key_id)
    quote = sum(one.plan.quote_micro for one in found) if terms is None else terms.price_micro
    wrong = (*listed, *problems)
    return models.BatchEstimate(
        ok=not wrong, quote_usd=dollars(quote), **estimates.terms_view(terms), problems=estimates.listed(wrong)
    )


def _started(body: Envelope, found: Sequence[Priced], problems: Sequence[ItemProblem]) -> Batch:
    """Under the same id where the same request is handled again: whoever died may have committed it."""
    batch_id = f"bat_{g.run_id.removeprefix('run_')}" if g.run_id else new_id("bat")
    webhook = None if body.webhook_url is None else addresses.sealed("webhook_url", body.webhook_url)
    wanted = BatchRequest(
        batch_id=batch_id,
        size=len(body.items),
        priced=found,
        problems=problems,
        metadata=body.metadata or {},
        webhook=webhook,
    )
    return batches.start(services(), wanted, key_id=actor().key_id)


def _read(items: Sequence[dict[str, Any]]) -> tuple[list[Item], list[ItemProblem]]:
    """The orders that can be read, and every problem of the others."""
    found: list[Item] = []
    problems: list[ItemProblem] = list(_twice(items))
    again = {problem.item for problem in problems}
    for place, data in enumerate(items):
        try:
            item = _item(place, data)
        except HttpProblem as refusal:
            problems += [ItemProblem(place, one.field, one.message) for one in refusal.problems]
        except InvalidOrder as refusal:
            problems += [ItemProblem(place, one.field, one.message) for one in refusal.problems]
        else:
            if place not in again:
                found.append(item)
    return found, problems


def _item(place: int, data: dict[str, Any]) -> Item:
    """Raises HttpProblem and InvalidOrder."""
    data = of_either(data).data
    if data.get("dry_run"):
        raise HttpProblem(422, "", (Problem("dry_run", "is said of the batch, not of one order in it."),))
    if data.get("for", CLIP if "prompt" in data else FILM) == CLIP:
        clip = bodies.validated(ClipItem, data)
        return Item(place, request_of(clip, clip.order(), "clip"))
    film = bodies.validated(FilmItem, data)
    return Item(place, request_of(film, film.order(), "rest"))


def _twice(items: Sequence[dict[str, Any]]) -> Iterator[ItemProblem]:
    """Names that an earlier order has already."""
    seen: dict[str, int] = {}
    for place, data in enumerate(items):
        name = data.get("custom_id")
        if isinstance(name, str) and seen.setdefault(name, place) != place:
            yield ItemProblem(place, "custom_id", f"is that of items[{seen[name]}] already.")


def _as_ordered(items: Sequence[Item], problems: Sequence[ItemProblem]) -> list[ItemProblem]:
    """What cannot be made, in the words of the request that it was ordered with."""
    clips = {item.place for item in items if item.request.source == "clip"}
    said: list[ItemProblem] = []
    for one in problems:
        found = [Problem(one.field, one.message)]
        said += [ItemProblem(one.item, p.field, p.message) for p in (for_clip(found) if one.item in clips else found)]
    return list(dict.fromkeys(said))


def _named(problems: Sequence[ItemProblem]) -> Iterator[Problem]:
    for one in sorted(problems, key=lambda problem: problem.item):
        yield Problem(f"items[{one.item}]{'.' if one.field else ''}{one.field}", one.message)


def _url(core: Services, batch: Batch) -> str:
    return f"{core.policy.public_url}/api/batches/{batch.id}"


def _summary(core: Services, batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.id,
        "total": len(batch.runs),
        "started": sum(run_id is not None for run_id in batch.runs),
        "metadata": dict(batch.metadata),
        "created_at": iso(batch.created_at),
        "finished_at": iso(batch.finished_at),
        "status_url": _url(core, batch),
    }


def _view(core: Services, found: batches.BatchView) -> models.BatchView:
    return models.BatchView(
        **_summary(core, found.batch),
        counts=dict(found.counts),
        problems=[answers.FieldProblem(field=one.field, message=one.message) for one in _named(found.batch.problems)],
        runs=[_item_run(core, found, place, run_id) for place, run_id in enumerate(found.batch.runs)],
    )


def _item_run(core: Services, found: batches.BatchView, place: int, run_id: str | None) -> models.ItemRun:
    run = found.runs.get(run_id or "")
    return models.ItemRun(
        item=place,
        custom_id=run.custom_id if run else None,
        run_id=run_id,
        status=run.status.value if run else None,
        status_url=f"{core.policy.public_url}/api/runs/{run_id}" if run_id else None,
    )
