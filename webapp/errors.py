"""Every refusal as an RFC 9457 problem document that lists all that is wrong, and as a page for people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, json, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from pipelines.domain import errors
from pipelines.domain.errors import Problem, ReelgridError
from pipelines.domain.money import dollars
from pipelines.security import links, webhook_signatures
from webapp.context import OPEN, Actor, settings, top_up_url

logger = logging.getLogger(__name__)

OOPS = "Something went wrong on our side; nothing you paid for is lost. Please try again."

RATE_LIMITED, TOO_MANY_IN_FLIGHT = "rate_limited", "too_many_in_flight"
INSUFFICIENT = "insufficient_credits"
STARTS, READS, GUESSES, WEBHOOKS = "start", "read", "guess", "webhook"
"""Limits, as RateLimit-Policy names them."""

_WORDS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is too large.",
}
_STALE_FORM = "This page is out of date. Go back, reload it and press the button again."

STATUS: dict[type[ReelgridError], int] = {
    errors.InvalidOrder: 422,
    errors.OverBudget: 402,
    errors.StorageFull: 507,
    errors.NotConfigured: 422,
    errors.NotAllowed: 409,
    errors.NotFound: 404,
    errors.BadPayment: 400,
    errors.PaymentRefused: 402,
    errors.PaidNotStarted: 409,
    errors.Suspended: 403,
    errors.RecordGone: 404,
    errors.ForbiddenAddress: 422,
    errors.Expired: 410,
    errors.AirtableDenied: 502,
    errors.AirtableQuota: 503,
    errors.RateLimited: 503,
    errors.Busy: 503,
    errors.TooMany: 429,
    errors.Unavailable: 503,
    links.BadLink: 403,
    links.LinkExpired: 410,
    webhook_signatures.BadWebhook: 401,
    webhook_signatures.Unreadable: 400,
}
"""What a domain error means over HTTP; a subclass counts as its nearest parent here, anything else as 500."""


_TO_BLAME = {401: "Authorization", 402: "max_cost_usd", 413: "body", 415: "Content-Type"}
"""The part of a request that a refusal of its own status is about."""
_WAIT = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a limit, as answers say it by draft-ietf-httpapi-ratelimit-headers-11: `most` at once after a
    rest, and as many again in each window. Without a window it is of what goes on at the same time.
    """

    name: str
    most: int
    window_s: float | None
    remaining: int
    full_in_s: float

    @property
    def policy(self) -> str:
        """For RateLimit-Policy."""
        window = "" if self.window_s is None else f";w={ceil(self.window_s)}"
        return f'"{self.name}";q={self.most}{window}'

    @property
    def state(self) -> str:
        """For RateLimit."""
        return f'"{self.name}";r={self.remaining};t={ceil(self.full_in_s)}'


@dataclass(eq=False)
class HttpProblem(Exception):
    """A refusal. `problems` name the fields; `detail` is one sentence for whoever reads the answer."""

    status: int
    detail: str
    problems: tuple[Problem, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    """What it is about, for programs, where its status does not say it."""
    violated: tuple[str, ...] = ()
    """The limits that were reached, as RateLimit-Policy names them."""
    more: dict[str, Any] = field(default_factory=dict)
    """Further members of the document, or other values of the usual ones."""

    def listed(self) -> tuple[Problem, ...]:
        """Every problem. A request that is refused as a whole has one, whose field is empty if no part is to blame."""
        if self.problems or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.problems
        return (Problem(_TO_BLAME.get(self.status, ""), self.detail),)

    def document(self) -> dict[str, Any]:
        """The problem document's members."""
        phrase = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": request.path,
            "errors": [{"field": p.field, "message": p.message} for p in self.listed()],
            **({"code": self.code} if self.code else {}),
            **({"violated": list(self.violated)} if self.violated else {}),
            **self.more,
        }


def invalid_input(problems: Sequence[Problem]) -> HttpProblem:
    """422 that names every field; its detail is all of them on one line, for clients that show nothing else."""
    detail = " ".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems)
    return HttpProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, tuple(problems))


def from_domain(error: ReelgridError) -> HttpProblem:
    """The problem that says to an HTTP client what a domain error says to a marketer."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    headers = {"Retry-After": str(ceil(error.retry_after or 5))} if status in _WAIT else {}
    problems = error.problems if isinstance(error, errors.InvalidOrder) else ()
    if isinstance(error, errors.TooMany):
        return _too_many(error, status, headers)
    if isinstance(error, errors.InsufficientCredits):
        return _insufficient(error)
    more = {"code": "over_budget"} if status == HTTPStatus.PAYMENT_REQUIRED else {}
    return HttpProblem(status, error.marketer, problems, headers, more=more)


def _too_many(error: errors.TooMany, status: int, headers: dict[str, str]) -> HttpProblem:
    """With what is left of the limit: nothing."""
    if error.most is not None:
        left = Left(error.limit, error.most, error.window_s, 0, error.retry_after or 0)
        headers |= {"RateLimit-Policy": left.policy, "RateLimit": left.state}
    code = RATE_LIMITED if error.window_s is not None or error.most is None else TOO_MANY_IN_FLIGHT
    return HttpProblem(status, error.marketer, (), headers, code, (error.limit,))


def _insufficient(error: errors.InsufficientCredits) -> HttpProblem:
    """With what a program needs to top up and try again."""
    more = {
        "type": f"{settings().public_url.rstrip('/')}/docs/problems#insufficient-credits",
        "code": INSUFFICIENT,
        "required_credits": error.required,
        "available_credits": error.available,
        "missing_credits": error.missing,
        "price_usd": dollars(error.price_micro),
        "top_up_url": top_up_url(),
    }
    return HttpProblem(402, error.marketer, (Problem("credits", error.marketer),), {}, more=more)


def not_here(what: str) -> HttpProblem:
    """404 for a thing we do not know."""
    return HttpProblem(404, f"There is no such {what}.")


def unknown_link() -> HttpProblem:
    """404 for whoever was sent a link and has nothing else of ours."""
    return HttpProblem(404, "There is no such link. See whether all of it was copied, or ask whoever sent it to you.")


def prefers_page() -> bool:
    """Whether a person with a browser asked, rather than a program."""
    path = request.path
    if path.startswith(("/api/", "/media/", "/v/", "/mcp")) and not path.endswith("/pack"):
        return False
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def answer(error: HttpProblem | ReelgridError) -> Response:
    """A refusal as a response in the form its reader wants; what is the operator's business is logged."""
    problem = error if isinstance(error, HttpProblem) else from_domain(error)
    if isinstance(error, ReelgridError) and problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s", request.method, request.path, error.operator)
    g.refused = problem.code or problem.more.get("code")
    if prefers_page():
        body = _page(problem)
        response = Response(body, problem.status, mimetype="text/html")
    else:
        text = json.dumps(problem.document(), ensure_ascii=False)
        response = Response(text, problem.status, mimetype="application/problem+json")
    response.headers.update(problem.headers)
    return response


def _page(problem: HttpProblem) -> str:
    """Where a key would help, the page that asks for one."""
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return render_template("sign_in.html", next=request.full_path.rstrip("?"), wrong=False)
    came_from = urlsplit(request.referrer or "")
    back = came_from.path if came_from.netloc == request.host else None
    title = HTTPStatus(problem.status).phrase
    return render_template("problem.html", problem=problem, title=title, back=back, person=_somebody())


def _somebody() -> Actor | None:
    """Who may go on to the other pages from here; None for the holder of a link."""
    who: Actor | None = g.get("actor")
    return who if who is not None and (who.key_id is not None or who.name == OPEN) else None


def _http(error: HTTPException) -> Response:
    headers = {
        name: value for name, value in error.get_headers() if name.lower() in {"allow", "retry-after", "location"}
    }
    if error.code is not None and error.code < 400:  # noqa: PLR2004 - a redirect by the router is no refusal
        return Response("", error.code, headers)
    code = error.code or 500
    words = _STALE_FORM if isinstance(error, CSRFError) else _WORDS.get(code, error.description or OOPS)
    return answer(HttpProblem(code, words, (), headers))


def _unexpected(error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    g.is_defect = True
    return answer(HttpProblem(500, OOPS))


def register(app: Flask) -> None:
    """The outer edge: nothing that goes wrong leaves this process without a problem document."""
    app.register_error_handler(HttpProblem, answer)
    app.register_error_handler(ReelgridError, answer)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
