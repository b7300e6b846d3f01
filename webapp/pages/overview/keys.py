"""Keys made and revoked on the account's page, by whoever signed in and may manage: what the API does, with buttons."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, flash, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.keys import digest
from webapp import idempotency
from webapp.access import auth, keys
from webapp.access.rules import Door, Owner, declares
from webapp.api.account import handlers
from webapp.api.account.models import KeyOrder
from webapp.api.operations import as_response
from webapp.bodies import validated
from webapp.context import actor, services
from webapp.errors import HttpProblem
from webapp.pages.blueprint import bp
from webapp.pages.forms import UNTOLD, number, once
from webapp.pages.overview.account import show_account

_STILL_MADE = "The key is being made. Reload this page to see it."


@bp.post("/account/keys")
@declares(Door.SESSION, Owner.ACCOUNT, "manage")
def make_key() -> Response | tuple[str, int]:
    """Make a key and show it. The same press again shows the same key, to the key that asked for it and to no other."""
    try:
        wanted = validated(KeyOrder, _typed())
    except HttpProblem as refused:
        return show_account(refused.problems), refused.status
    form = {name: request.form.getlist(name) for name in request.form if name not in UNTOLD}
    press = digest("key", actor().account_id, actor().key_id, form)
    try:
        made = idempotency.guarded(press, "", lambda: as_response(handlers.create_key(wanted)), sealed=True)
    except idempotency.InFlight:
        raise HttpProblem(HTTPStatus.CONFLICT, _STILL_MADE) from None
    if made.status_code != HTTPStatus.CREATED:
        return made
    return render_template("new_key.html", person=actor(), made=made.get_json()), HTTPStatus.CREATED


@bp.post("/account/keys/<key_id>/revoke")
@declares(Door.SESSION, Owner.ACCOUNT, "manage")
def revoke_key(key_id: str) -> Response | Redirect:
    """End one of one's own keys. Whoever signed in with it is signed out."""
    own = key_id == actor().key_id
    target = url_for("pages.sign_in") if own else f"{url_for('pages.account_page')}#keys"
    return once(target, lambda: _revoke(key_id, own=own))


def _revoke(key_id: str, *, own: bool) -> None:
    with services().store.read() as tx:
        row = tx.keys.get(key_id)
    # The operator ends a customer's keys on the command line, where they are listed.
    mine = row if row is not None and row.account_id == actor().account_id else None
    revoked = keys.revoke(keys.live(mine, key_id, services().clock.now()).id)
    if own:
        auth.sign_out()
    flash(f"The key {revoked.name} is revoked." + (" You had signed in with it: sign in with another." if own else ""))


def _typed() -> dict[str, Any]:
    """What was filled in, as the API takes it."""
    form = request.form
    given = {"name": form.get("name", "").strip(), "scopes": form.getlist("scopes")}
    limits = {
        "expires_in_days": number(form.get("expires_in_days", ""), whole=True),
        "day_cap_usd": number(form.get("day_cap_usd", "")),
    }
    return given | {name: value for name, value in limits.items() if value is not None}
