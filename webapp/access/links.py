"""What a signed link (`?t=`) opens, and what an action link does."""

from __future__ import annotations

from flask import g, request

from pipelines.security import links
from pipelines.stages.kernel.transitions import BY_LINK
from webapp.access.rules import Subjects
from webapp.context import Actor, secret, services
from webapp.errors import not_here

LINK = "link"
"""The name of whoever holds a signed link."""


def base_of_link(record_id: str) -> str | None:
    """The base that the signed link of this request (`?t=`) names for a row; None without such a link."""
    try:
        subject = links.read_page(secret(), "record", request.args.get("t", ""), services().clock.now())
        base_id, named = links.read_row(subject)
    except links.BadLink:
        return None
    return base_id if named == record_id else None


def linked(about: Subjects) -> Actor | None:
    """Whoever holds a signed link (`?t=`) to one of these subjects. Raises 403 or 410 for a bad link."""
    token = request.args.get("t")
    if not token:
        return None
    refusal: links.BadLink = links.Malformed("a link opens another page")
    for kind, subject in about.opens.items():
        try:
            opened_subject = links.read_page(secret(), kind, token, services().clock.now())
            if kind == "record":
                links.read_row(opened_subject)
        except links.BadLink as error:
            refusal = error if isinstance(error, links.LinkExpired | links.Outdated) else refusal
            continue
        if subject is not None and opened_subject == subject:
            return Actor(LINK, frozenset({"read"}), account_id=about.account_id)
    raise refusal


def action_holder() -> Actor:
    """Whoever holds an action link: `g.action`, in the account of its run. Raises 403, 404 or 410."""
    g.action = links.read_action(secret(), request.args.get("t", ""), services().clock.now())
    with services().store.read() as tx:
        run = tx.runs.get(g.action.run_id)
    if run is None:
        raise not_here("run")
    return Actor(BY_LINK, frozenset({"trigger"}), account_id=run.account_id)
