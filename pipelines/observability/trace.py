"""One trace through everything that a run does. Rows outlive processes, so the context lives in the run's row: whoever
works on the run goes on from there, and every line that is logged meanwhile carries the trace's id.

The seam to OpenTelemetry: without a tracer a span is nothing, and costs nothing. Attributes are ids, names, numbers and
amounts; never a prompt, a key or a link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol

from pipelines.observability import log_context

Value = str | int | float | bool | None
Kind = Literal["internal", "server", "client"]

MOST_LINKS = 128
_FORM = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_here: ContextVar[str | None] = ContextVar("traceparent", default=None)


class Span(Protocol):
    """Something that takes time."""

    def tell(self, attributes: Mapping[str, Value]) -> None:
        """More about it; None is left out."""


class Tracer(Protocol):
    """What spans are sent with. `parent` and `links` are W3C traceparents."""

    def span(
        self, name: str, kind: Kind, parent: str | None, links: Sequence[str], attributes: Mapping[str, Value]
    ) -> AbstractContextManager[tuple[Span, str]]:
        """A span and its own traceparent; an error that leaves the block is noted by its type alone."""

    def past(self, name: str, parent: str, began: float, ended: float, attributes: Mapping[str, Value]) -> None:
        """A span that is over already."""

    def flush(self) -> None:
        """Send what is not sent, within a moment."""


class _Nothing:
    def tell(self, attributes: Mapping[str, Value]) -> None:
        """Nobody listens."""


_NOTHING = _Nothing()


class _Sender:
    """A tracer for each process: what sends is a thread, which no fork inherits."""

    def __init__(self) -> None:
        self.make: Callable[[], Tracer] | None = None
        self._made: tuple[int, Tracer] | None = None

    def tracer(self) -> Tracer | None:
        """The process' own, made when it is first used."""
        if self.make is None:
            return None
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), self.make())
        return self._made[1]

    def install(self, make: Callable[[], Tracer] | None) -> None:
        self.make, self._made = make, None


_sender = _Sender()


def install(make: Callable[[], Tracer] | None) -> None:
    """How a process makes its tracer, from now on; None: none does."""
    _sender.install(make)


def is_on() -> bool:
    """Whether spans are sent."""
    return _sender.make is not None


def accepted(header: str | None) -> str | None:
    """A caller's `traceparent`, if it is one."""
    found = _FORM.fullmatch(header or "")
    if found is None or header is None or header.startswith("ff"):
        return None
    return None if found.group(1) == _NO_TRACE or found.group(2) == _NO_SPAN else header


def new() -> str:
    """A context of our own, for what nobody has traced yet."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def trace_id(traceparent: str) -> str:
    """What the spans and lines of one trace have in common."""
    return traceparent.split("-")[1]


def current() -> str:
    """Where we are, to be remembered in a row; a new trace where nothing has begun one."""
    return _here.get() or new()


def begin(traceparent: str) -> None:
    """From here on it belongs to this trace. For an edge that has no end to clean up at, such as a request."""
    _here.set(traceparent)
    log_context.add(trace_id=trace_id(traceparent))


@contextmanager
def within(traceparent: str | None) -> Iterator[None]:
    """The block belongs to this trace, or to none."""
    token = _here.set(traceparent)
    try:
        if traceparent is not None:
            log_context.add(trace_id=trace_id(traceparent))
        yield
    finally:
        _here.reset(token)


@contextmanager
def span(
    name: str, attributes: Mapping[str, Value], *, kind: Kind = "internal", links: Sequence[str | None] = ()
) -> Iterator[Span]:
    """A span below where we are; its own trace where that is nowhere."""
    tracer = _sender.tracer()
    if tracer is None:
        yield _NOTHING
        return
    linked = list(dict.fromkeys(link for link in links if link))[:MOST_LINKS]
    with tracer.span(name, kind, _here.get(), linked, attributes) as (made, own):
        token = _here.set(own)
        try:
            yield made
        finally:
            _here.reset(token)


def past(name: str, parent: str | None, began: float, ended: float, attributes: Mapping[str, Value]) -> None:
    """A span of something that is over, such as a whole run."""
    tracer = _sender.tracer()
    if tracer is not None and parent is not None:
        tracer.past(name, parent, began, ended, attributes)


def flush() -> None:
    """Before a process ends that ends without asking."""
    tracer = _sender.tracer()
    if tracer is not None:
        tracer.flush()
