"""What the links of a row's `Decide` open: a page that asks whether it is meant, and its button.

Opening it changes nothing, however often mail programs and chats look at a link before a person does. The form is sent
to the address that it stands at, so that no page holds the link.
"""

from __future__ import annotations

from typing import Any

from flask import g, render_template

from pipelines.domain.records import Run
from pipelines.domain.state.action_link import ActionLink
from pipelines.stages.decisions import by_link
from pipelines.stages.views.sentences import now_sentence
from webapp.access.rules import Door, Owner, declares
from webapp.context import services
from webapp.pages.blueprint import bp


@bp.get("/decide")
@declares(Door.ACTION, Owner.ADDRESS, "trigger")
def decision() -> str:
    """What would be done, and for what price."""
    link: ActionLink = g.action
    asked = by_link.asked(services(), link)
    return _page(asked.run, link, asked=asked)


@bp.post("/decide")
@declares(Door.ACTION, Owner.ADDRESS, "trigger")
def decided() -> str:
    """It is meant."""
    link: ActionLink = g.action
    run = by_link.spend(services(), link)
    return _page(run, link, done=now_sentence(run))


def _page(run: Run, link: ActionLink, **more: Any) -> str:
    title = (run.order.title if run.order else None) or "this film"
    return render_template("decide.html", act=link.act, title=title, **more)
