"""Following a run. Waiting takes a slot (webapp.concurrency); where none is free, everybody is answered at once and
asks again, so that nobody starves.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from flask import Response, json, request
from werkzeug.http import parse_etags

from pipelines.domain.errors import Problem
from pipelines.stages.kernel.services import Services
from pipelines.stages.views import run_view
from pipelines.stages.views.sections import LINK_STEP_S
from webapp.access.rules import Owner
from webapp.api import run_answers
from webapp.api.following.models import StreamedEvent, StreamedRun
from webapp.api.following.watch import Watch, watch
from webapp.api.legacy import answers as legacy
from webapp.api.legacy.answers import PolledRun
from webapp.api.operations import Effect, Reply, Tool, operation
from webapp.api.queries import AgentWait, RunWait, WaitQuery
from webapp.concurrency import Held, slots
from webapp.context import services
from webapp.errors import HttpProblem

HOLD_S, COMMENT_S = 25.0, 10.0
"""How long a stream of events is held, and how often something is sent so that no proxy takes it for dead."""
POLL_S, SPACE_S = 300.0, 15.0
"""How long `poll` waits for the end, and how often it sends a space before the JSON, which means nothing there."""
AGAIN_S = 3
RETRY = f"retry: {AGAIN_S * 1000}\n\n".encode()
_LONGEST_ID = 18


@operation(
    "GET",
    "/api/runs/{run_id}",
    summary="Everything about a run",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    query=RunWait,
    answers={200: (run_answers.RunView, PolledRun)},
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
        return Reply(
            legacy.polled(run_view.run_view(core, run_id)), headers={} if stopped else {"Retry-After": str(AGAIN_S)}
        )
    pieces = _at_the_end(core, watch(), run_id)
    return Response(Held(slot, pieces), mimetype="application/json", headers={"X-Accel-Buffering": "no"})


def _at_the_end(core: Services, watching: Watch, run_id: str) -> Iterator[bytes]:
    end = monotonic() + POLL_S
    while not (found := run_view.mark(core, run_id)).stopped and (left := end - monotonic()) > 0:
        watching.wait_for_change(run_id, found.version, min(SPACE_S, left))
        yield b" "
    yield json.dumps(legacy.polled(run_view.run_view(core, run_id)), ensure_ascii=False).encode()


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
    after 3 s; closed at once when half of the server already waits. 204 when the run has ended and all of it was told.
    """
    core, after = services(), _last_event_id()
    first = run_view.changes_after(core, run_id, after)
    if first.terminal and first.last == after:
        return Response(status=204)
    slot = None if first.terminal else slots().wait()
    pieces = _held(core, watch(), run_id, after) if slot else iter((RETRY, _written(first)))
    headers = {"X-Accel-Buffering": "no"}
    return Response(Held(slot, pieces), mimetype="text/event-stream", headers=headers)


def _last_event_id() -> int:
    text = request.headers.get("Last-Event-ID", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID):
        problem = Problem("Last-Event-ID", "must be the id of an event.")
        raise HttpProblem(422, f"{problem.field} {problem.message}", (problem,))
    return int(text)


def _held(core: Services, watching: Watch, run_id: str, after: int) -> Iterator[bytes]:
    """All that happened so far, and what happens while it is held. Read one poll after it was seen: on PostgreSQL an
    event may come to light a moment after a later one.
    """
    yield RETRY
    end, version = monotonic() + HOLD_S, ""
    while (left := end - monotonic()) > 0:
        if not watching.wait_for_change(run_id, version, min(COMMENT_S, left), stopped=False):
            yield b": still here\n\n"
            continue
        watching.wait_for_poll(run_id)
        changes = run_view.changes_after(core, run_id, after)
        yield _written(changes)
        after, version = changes.last, changes.version
        if changes.terminal:
            return


def _written(changes: run_view.RunChanges) -> bytes:
    told = [f"id: {event_id}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event_id, event in changes.events]
    return "".join((*told, f"event: run\ndata: {json.dumps(changes.run, ensure_ascii=False)}\n\n")).encode()
