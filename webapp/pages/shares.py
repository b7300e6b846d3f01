"""A film shown to people without a key: watched, commented and decided on. The address is the permit; it shows no cost,
no model and no other run, and nothing on it spends.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NoReturn

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.keys import new_token
from pipelines.domain.lifecycle import ReviewVerdict
from pipelines.domain.records import Share
from pipelines.security import links
from pipelines.stages.review import shares
from pipelines.stages.review.shares import ShareContents
from pipelines.stages.views import sections
from webapp import media
from webapp.access.rules import Door, Owner, declares
from webapp.context import actor, services
from webapp.errors import HttpProblem, not_here, unknown_link
from webapp.pages.blueprint import bp
from webapp.pages.filters import here
from webapp.pages.forms import once
from webapp.pages.runs import must_exist, subjects

_PLACE = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}(?:\.\d+)?)", re.ASCII)
_MINUTE = 60


@bp.post("/runs/<run_id>/shares")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def share_run(run_id: str) -> Response | Redirect:
    """Make a link to the films of a run."""
    must_exist(run_id)
    given = request.form.get("days", "")
    days = int(given) if given.isdecimal() and len(given) <= len(str(shares.MOST_DAYS)) else 0
    prompts = "prompts" in request.form
    target = f"{here(url_for('pages.run_page', run_id=run_id))}#part-review"
    return once(target, lambda: shares.create(services(), run_id, actor().name, days=days, shows_prompts=prompts))


@bp.post("/shares/<share_id>/revoke")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def revoke_share(share_id: str) -> Redirect:
    """Withdraw a link. Twice is once."""
    share = shares.revoke(services(), share_id, actor().name)
    return redirect(f"{url_for('pages.run_page', run_id=share.run_id)}#part-review", 303)


@bp.get("/s/<token>")
@declares(Door.SHARE, Owner.ADDRESS)
def share_page(token: str) -> str:
    """The film, its scenes, what was said so far, and the forms to say more."""
    shown = _opened(token)
    pictures = [(scene, sections.thumbnail_url(services(), clip) if clip else None) for scene, clip in shown.scenes]
    return render_template(
        "share.html",
        shown=shown,
        token=token,
        title=sections.title(shown.run),
        pictures=pictures,
        posters={cut.id: sections.poster_url(services(), cut) for cut in shown.films},
        clock=shares.clock,
        press=new_token(),
        most=shares.WORDS,
    )


@bp.route("/s/<token>/film/<int:n>", methods=["GET", "HEAD"])
@declares(Door.SHARE, Owner.ADDRESS)
def share_film(token: str, n: int) -> Response:
    """A film of the share, by its place on the page: it can be seen for as long as the link is good."""
    cut = next(iter(_opened(token).films[n - 1 : n]), None) if n else None
    if cut is None or cut.key is None:
        raise not_here("film")
    film = media.send(cut.key, cut.filename or "film.mp4", max_age=0, immutable=False)
    return media.with_download_slot(token, film)


@bp.post("/s/<token>/comments")
@declares(Door.SHARE, Owner.ADDRESS)
def share_comment(token: str) -> Redirect:
    """Say something, at a second of the film or of all of it."""
    form = request.form
    said = shares.comment(
        services(),
        _known(token),
        name=form.get("name", ""),
        words=form.get("words", ""),
        second=_second(form.get("at", "")),
        press=form.get("once", ""),
    )
    if said is None:
        _ended()
    flash("Thank you. Your comment is with the people who made the film.")
    return redirect(f"{url_for('pages.share_page', token=token)}#comments", 303)


@bp.post("/s/<token>/verdict")
@declares(Door.SHARE, Owner.ADDRESS)
def share_verdict(token: str) -> Redirect:
    """Accept the film, or ask for changes; the last word counts."""
    form = request.form
    try:
        verdict = ReviewVerdict(form.get("verdict", ""))
    except ValueError:
        raise InvalidOrder([Problem("verdict", "must be accepted or changes_asked.")]) from None
    share: Share | None = shares.decide(
        services(), _known(token), verdict, name=form.get("name", ""), words=form.get("words", "")
    )
    if share is None:
        _ended()
    flash("Thank you. Your answer is with the people who made the film; you may change it as long as this link works.")
    return redirect(url_for("pages.share_page", token=token), 303)


def _opened(token: str) -> ShareContents:
    return shares.opened(services(), _known(token)) or _ended()


def _known(token: str) -> str:
    if not links.is_view_token(token):
        raise unknown_link()
    return token


def _ended() -> NoReturn:
    raise HttpProblem(HTTPStatus.GONE, shares.GONE)


def _second(text: str) -> float | None:
    """`0:07` or `7`, as it stands beside the player; None for nothing."""
    if not text.strip():
        return None
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise InvalidOrder([Problem("at", "must be a place in the film such as 0:07, or empty.")])
    return int(found[1] or 0) * _MINUTE + float(found[2])
