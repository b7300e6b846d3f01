"""The trace of a request: the caller's (`traceparent`), or a new one; what it starts goes on in it."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask, Response, g, request

from pipelines.ports import trace


def begin() -> None:
    """Once the log is told what the request is about."""
    told = trace.accepted(request.headers.get("traceparent"))
    if not trace.is_on():
        trace.begin(told or trace.new())
        return
    route = request.url_rule.rule if request.url_rule else "none"
    g.tracing = stack = ExitStack()
    stack.enter_context(trace.within(told))
    about = {"http.request.method": request.method, "http.route": route}
    g.span = stack.enter_context(trace.span(f"{request.method} {route}", about, kind="server"))
    trace.begin(trace.current())


def register(app: Flask) -> None:
    """End the span when the answer was sent."""
    app.after_request(_tell)
    app.teardown_request(_end)


def _tell(response: Response) -> Response:
    if "span" in g:
        g.span.tell({"http.response.status_code": response.status_code})
    return response


def _end(_error: BaseException | None) -> None:
    if "tracing" in g:
        g.tracing.close()
