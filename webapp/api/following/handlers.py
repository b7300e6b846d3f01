"""Following a run. Waiting takes a slot (webapp.concurrency); where none is free, everybody is answered at once and
asks again, so that nobody starves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from flask import Response, json, request
from werkzeug.http import parse_etags

from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book, credit_lots
from pipelines.stages.views import run_view
from pipelines.stages.views.documents import RunView, StreamedEvent, StreamedRun
from pipelines.stages.views.sections import LINK_STEP_S
from webapp.access.doors import readmit, refusals
from webapp.access.rules import Owner
from webapp.api.following import streams
from webapp.api.following.streams import AGAIN_S, Changes
from webapp.api.following.watch import Watch, watch
from webapp.api.legacy import answers as legacy
from webapp.api.legacy.answers import LegacyCredits, PolledRun
from webapp.api.operations import Effect, Reply, Tool, operation
from webapp.api.queries import AgentWait, RunWait, WaitQuery
from webapp.concurrency import Held, slots
from webapp.context import services

POLL_S, SPACE_S = 300.0, 15.0
"""How long `poll` waits for the end, and how often it sends a space before the JSON, which means nothing there."""


@operation(
    "GET",
    "/api/runs/{run_id}",
    summary="Everything about a run",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    query=RunWait,
    answers={200: (RunView, PolledRun)},
    problems=(401, 403, 404, 422, 429),
    tool=Tool("get_run", Effect.READS, (AgentWait,)),
)
def get_run(run_id: str, query: WaitQuery) -> Reply | Response:
    """With `?wait=30` the answer comes when something changes (or, given `version`, differs from that), when the run
    has stopped, or after that many seconds; with `?poll=true` when it has stopped. When half of the server already
    waits, it comes at once. `If-None-Match` with the `ETag` of an answer: 304 while nothing changed.
    """
    core = services()
    if isinstance(query, RunWait) and query.poll:
        return _polled(core, run_id)
    found = run_view.mark(core, run_id)
    known = query.version or _given_version() or found.version
    if query.wait and found.version == known and not found.stopped and (slot := slots().wait()):
        with slot:
            watch().wait_for_change(run_id, known, query.wait)
        readmit()
        found = run_view.mark(core, run_id)
    etag = _etag(core, found.version)
    if request.method == "GET" and parse_etags(request.headers.get("If-None-Match")).contains_weak(etag):
        return Response(status=304, headers={"ETag": f'W/"{etag}"'})
    view = run_view.run_view(core, run_id)
    return Reply(view, headers={"ETag": f'W/"{_etag(core, view["version"])}"'})


def _etag(core: Services, version: str) -> str:
    """Of an answer: links to files are made anew every hour."""
    return f"{version}-{int(core.clock.now() // LINK_STEP_S)}"


def _given_version() -> str | None:
    """The version of the answer that the caller has."""
    tags = parse_etags(request.headers.get("If-None-Match")).as_set(include_weak=True)
    return min(tags).partition("-")[0] if tags else None


def _polled(core: Services, run_id: str) -> Reply | Response:
    stopped = run_view.mark(core, run_id).stopped
    slot = None if stopped else slots().wait()
    if slot is None:
        return Reply(_legacy(core, run_id), headers={} if stopped else {"Retry-After": str(AGAIN_S)})
    pieces = _at_the_end(core, watch(), run_id, refusals())
    return Response(Held(slot, pieces), mimetype="application/json", headers={"X-Accel-Buffering": "no"})


def _at_the_end(
    core: Services, watching: Watch, run_id: str, refusal: Callable[[], dict[str, Any] | None]
) -> Iterator[bytes]:
    """Whoever may not look any more is told so: it has begun as 200."""
    end = monotonic() + POLL_S
    while not (found := run_view.mark(core, run_id)).stopped and (left := end - monotonic()) > 0:
        watching.wait_for_change(run_id, found.version, min(SPACE_S, left))
        if (refused := refusal()) is not None:
            yield json.dumps(refused, ensure_ascii=False).encode()
            return
        yield b" "
    yield json.dumps(_legacy(core, run_id), ensure_ascii=False).encode()


def _legacy(core: Services, run_id: str) -> PolledRun:
    """With the credits of the account that asks: of another's the operator sees none here."""
    view, account_id, credit = run_view.run_view(core, run_id), core.store.account_id, core.prices.credit_micro
    with core.store.read() as tx:
        if account_id is None or not credit_book.pays_in_credits(tx, core.prices, account_id):
            return legacy.polled(view, None)
        used = sum(credit_book.charged(tx, run_id).values())
        left = credit_lots.funds(tx, account_id, core.clock.now()).available_micro
    return legacy.polled(view, LegacyCredits(consumed=used / credit, remaining=left / credit))


@operation(
    "GET",
    "/api/runs/{run_id}/events",
    summary="What happens to a run, as it happens",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    answers={200: (StreamedEvent, StreamedRun), 204: ()},
    problems=(401, 403, 404, 422, 429),
    streams=True,
)
def run_events(run_id: str) -> Response:
    """Server-sent events: what the `events` of the run hold, each with its id, and after them one named `run` with the
    run's summary. `Last-Event-ID` goes on after an event. Held for up to 25 s, then closed for the client to come again
    after 3 s; closed at once when half of the server already waits, and soon when
    its key ends. 204 when the run has ended and all of it was told.
    """
    core = services()
    return streams.stream(run_id, lambda after: _changes(core, run_id, after))


def _changes(core: Services, run_id: str, after: int) -> Changes:
    found = run_view.changes_after(core, run_id, after)
    return Changes(
        events=found.events,
        name="run",
        now=found.run,
        version=found.version,
        last=found.last,
        terminal=found.terminal,
    )
