"""Streams of events, whatever they are about: all that happened so far, and what happens while they are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from flask import Response, json, request

from pipelines.domain.errors import Problem
from webapp.access.doors import refusals
from webapp.api.following.watch import Watch, watch
from webapp.concurrency import Held, slots
from webapp.errors import HttpProblem

HOLD_S, COMMENT_S = 25.0, 10.0
"""How long a stream of events is held, and how often something is sent so that no proxy takes it for dead."""
AGAIN_S = 3
RETRY = f"retry: {AGAIN_S * 1000}\n\n".encode()
_LONGEST_ID = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What happened after an event: the events with their ids, and how things stand now, under the name that it is sent
    by.
    """

    events: Sequence[tuple[int, Mapping[str, Any]]]
    name: str
    now: Mapping[str, Any]
    version: str
    last: int
    """The id up to which the events are told."""
    terminal: bool

    def written(self) -> bytes:
        """As an EventSource reads it."""
        told = [f"id: {event_id}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event_id, event in self.events]
        return "".join((*told, f"event: {self.name}\ndata: {json.dumps(self.now, ensure_ascii=False)}\n\n")).encode()


def stream(watched: str, changes_after: Callable[[int], Changes]) -> Response:
    """Held for as long as a slot is free, else closed for the client to come again. 204 when all of it was told."""
    text = request.headers.get("Last-Event-ID", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID):
        problem = Problem("Last-Event-ID", "must be the id of an event.")
        raise HttpProblem(422, f"{problem.field} {problem.message}", (problem,))
    after = int(text)
    first = changes_after(after)
    if first.terminal and first.last == after:
        return Response(status=204)
    slot = None if first.terminal else slots().wait()
    pieces = _held(watch(), watched, after, changes_after, refusals()) if slot else iter((RETRY, first.written()))
    headers = {"X-Accel-Buffering": "no"}
    return Response(Held(slot, pieces), mimetype="text/event-stream", headers=headers)


def _held(
    watching: Watch,
    watched: str,
    after: int,
    changes_after: Callable[[int], Changes],
    refusal: Callable[[], object | None],
) -> Iterator[bytes]:
    """Read one poll after a change was seen: on PostgreSQL an event may come to light a moment after a later one. Who
    may not look any more is told nothing from then on, and is refused when coming again.
    """
    yield RETRY
    end, version = monotonic() + HOLD_S, ""
    while (left := end - monotonic()) > 0:
        changed = watching.wait_for_change(watched, version, min(COMMENT_S, left), stopped=False)
        if changed:
            watching.wait_for_poll(watched)
        changes = changes_after(after) if changed else None
        # Asked last: what came after the end of a key or token is not told.
        if refusal() is not None:
            return
        if changes is None:
            yield b": still here\n\n"
            continue
        yield changes.written()
        after, version = changes.last, changes.version
        if changes.terminal:
            return
