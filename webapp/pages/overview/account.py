"""What a customer has: credits and where to get more, limits, keys, and webhooks with what was sent to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import Problem
from pipelines.domain.keys import new_token
from pipelines.stages.notices import endpoints
from webapp.access import keys as keys_of
from webapp.access.rules import Door, Owner, declares
from webapp.api.account import credits as credit_answers
from webapp.api.account import handlers as account_answers
from webapp.api.notices import handlers as notice_answers
from webapp.api.operations import Reply
from webapp.api.queries import PageQuery
from webapp.context import actor, services
from webapp.pages.blueprint import bp
from webapp.pages.filters import here
from webapp.pages.forms import once
from webapp.pages.light import squeezed

MOST_KEYS, MOST_ENDPOINTS, MOST_NOTICES, MOST_ENTRIES = 100, 20, 10, 20
"""So many of each are shown, the newest movements and messages; all of them are in the API."""


@bp.get("/account")
@declares(Door.SESSION, Owner.ACCOUNT)
def account_page() -> Response:
    """Whoever may not manage keys and webhooks sees the rest. It shows no secret: of a webhook only where it leads, and
    a key that was made just now is on a page of its own, which is not compressed.
    """
    return squeezed(show_account())


def show_account(key_problems: Sequence[Problem] = ()) -> str:
    """The page, with what is wrong about the key that was asked for."""
    may_manage = actor().may("manage")
    return render_template(
        "account.html",
        person=actor(),
        account=_answered(account_answers.account()),
        credits=_answered(credit_answers.get_credits()),
        entries=_answered(credit_answers.list_credit_entries(PageQuery(limit=MOST_ENTRIES)))["entries"],
        may_manage=may_manage,
        keys=_keys() if may_manage else [],
        scopes=[scope for scope in keys_of.SCOPES if actor().may(scope)],
        key_problems=key_problems,
        typed=request.form,
        endpoints=_endpoints() if may_manage else [],
        press=new_token(),
    )


@bp.post("/account/endpoints/<endpoint_id>/test")
@declares(Door.SESSION, Owner.ACCOUNT, "manage")
def send_test(endpoint_id: str) -> Response | Redirect:
    """Send a test message to a webhook."""
    return once(_back(), lambda: endpoints.test(services(), endpoint_id))


@bp.post("/account/notices/<notice_id>/resend")
@declares(Door.SESSION, Owner.ACCOUNT, "manage")
def send_again(notice_id: str) -> Response | Redirect:
    """Send a message once more, under its id."""
    return once(_back(), lambda: endpoints.resend(services(), notice_id))


def _answered(reply: Reply | Response) -> dict[str, Any]:
    """What the API says of the same."""
    return reply.plain() if isinstance(reply, Reply) else {}


def _back() -> str:
    return f"{here(url_for('pages.account_page'))}#webhooks"


def _keys() -> list[dict[str, Any]]:
    """Those of whoever asks: the operator's page shows no customer's."""
    now = services().clock.now()
    with services().store.read() as tx:
        found = tx.keys.find(order="-created_at", limit=MOST_KEYS, account_id=actor().account_id)
    return [account_answers.view(row) | {"live": keys_of.works(row, now)} for row in found]


def _endpoints() -> list[dict[str, Any]]:
    """Each with its newest messages; one is opened by its address."""
    with services().store.read() as tx:
        found = tx.endpoints.find(order="-created_at", limit=MOST_ENDPOINTS)
    return [
        {
            **notice_answers.view(endpoint),
            "notices": _notices(endpoint.id),
            "open": request.args.get("open") == endpoint.id,
        }
        for endpoint in found
    ]


def _notices(endpoint_id: str) -> list[dict[str, Any]]:
    sent, _ = endpoints.notices_of(services(), endpoint_id, limit=MOST_NOTICES, cursor=None, statuses=())
    return [notice_answers.notice_view(one) for one in sent]
