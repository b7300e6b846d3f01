"""A run's page and its buttons."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Response, g, json, render_template, request, url_for
from markupsafe import escape
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import InvalidOrder, ReelgridError
from pipelines.domain.keys import new_token
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.money import dollars
from pipelines.domain.records import Scene
from pipelines.security import links
from pipelines.stages.decisions import control, dry_run, in_doubt
from pipelines.stages.views import run_view
from webapp.access.links import LINK
from webapp.access.rules import Door, Owner, Subjects, declares
from webapp.api.decisions import Approve, Decision, Regenerate
from webapp.api.runs import approved, regenerated, retried
from webapp.bodies import validated
from webapp.context import Actor, actor, services
from webapp.errors import HttpProblem, from_domain, not_here, prefers_page
from webapp.pages.blueprint import bp
from webapp.pages.filters import differing_prices, here, most_of, named
from webapp.pages.forms import number, once
from webapp.pages.light import squeezed
from webapp.pages.parts import Typed, history_asked, live, pace, run_parts, tab_icon, tab_title

Answer = Response | Redirect | tuple[str, int]
_PICTURE = re.compile(r"references\[(\d+)\]")
_CALLED = {
    "aspect_ratio": "Shape of this clip",
    "narration": "What the narrator says",
    "negative_prompt": "What the clip should not show",
    "references": "Pictures to start from or to follow",
    "resolution": "Size",
}
"""What the form of a scene calls its fields, where that is not their name."""
MENDABLE = frozenset({402, 409, 422, 429})
"""Statuses of refusals after which what was typed may do, changed or later."""
MOST_RUNS = 50
"""So many of a row's runs are listed, the newest."""


def subjects(run_id: str, **_: object) -> Subjects:
    """A signed link opens this run, or every run of its record. Whoever may not look is not told what exists. What was
    made before the base left an account is opened by no link of its own: it may have stayed with whoever had it.
    """
    with services().store.read() as tx:
        run = tx.runs.get(run_id)
        base = tx.bases.get(run.base_id) if run and run.base_id else None
    if run is None or run.base_id is None or run.record_id is None:
        return Subjects({"run": run_id, "record": None}, run.account_id if run else None)
    since = base.handed_over_at if base else 0.0
    row = links.row_subject(run.base_id, run.record_id, since)
    return Subjects({"run": run_id if run.created_at >= since else None, "record": row}, run.account_id)


def must_exist(run_id: str) -> None:
    """Raises 404."""
    with services().store.read() as tx:
        if tx.runs.get(run_id) is None:
            raise not_here("run")


@bp.get("/runs/<run_id>")
@declares(Door.LINK, Owner.ACCOUNT, subjects=subjects)
def run_page(run_id: str) -> Response:
    """One run: how it is, its scenes, its film, its cost, its history."""
    must_exist(run_id)
    return squeezed(show_run(run_id))


@bp.get("/runs/<run_id>/live")
@declares(Door.LINK, Owner.ACCOUNT, subjects=subjects)
def run_live(run_id: str) -> Response:
    """The moving parts of a run's page."""
    must_exist(run_id)
    run, parts = run_parts(run_id)
    pause = pace(moving=RunStatus(run["status"]) in MOVING)
    return live(parts, every=pause, title=tab_title(run), icon=tab_icon(run), says=run["sentence"])


@bp.post("/runs/<run_id>/approve")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def approve(run_id: str) -> Answer:
    """Approve the quote and the scenes, as they are or as they were changed on the page, for no more than was shown."""
    must_exist(run_id)
    return _keeping_words(run_id, lambda: _approve(run_id))


def _approve(run_id: str) -> Answer:
    wanted = _approval_form(run_id)
    if wanted.edits() and wanted.at_most_micro is not None:
        found = dry_run.approving(services(), run_id, wanted.edits())
        if found.shown_micro > wanted.at_most_micro and not found.problems:
            return _asked_again(run_id, "Approve", wanted.at_most_micro, found.shown_micro)
    return on_run(run_id, lambda: approved(run_id, wanted))


@bp.post("/runs/<run_id>/approve/quote")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def quote_approval(run_id: str) -> Response:
    """What the scenes as they stand in the form would cost, while they are being typed. Buys nothing."""
    must_exist(run_id)
    try:
        # The ceiling of the form is the price before the last letter was typed.
        edits = _approval_form(run_id).edits()
        found = dry_run.approving(services(), run_id, edits) if edits else dry_run.going_on(services(), run_id)
    except (InvalidOrder, HttpProblem) as error:
        return priced(" ".join(problem.message for problem in error.problems), None)
    if found.problems:
        return priced(" ".join(problem.message for problem in found.problems), None)
    price = most_of(found.shown_micro)
    said = "With your changes: at most" if edits else "At most"
    return priced(f"{said} {price}.", found.shown_micro, f"Approve — up to {price}")


def _asked_again(run_id: str, label: str, seen_micro: int, micro: int) -> tuple[str, int]:
    """Without a script no price follows what is typed: it is shown now, with all that was typed, before it counts."""
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in {"csrf_token", "most"}]
    seen, price = differing_prices(seen_micro, micro)
    shown = {"price": price, "most": dollars(micro), "seen": seen}
    return render_template("dearer.html", run_id=run_id, label=label, kept=kept, **shown), HTTPStatus.PAYMENT_REQUIRED


def _approval_form(run_id: str) -> Approve:
    """What somebody changed of the scenes before approving them. Raises 422."""
    with services().store.read() as tx:
        scenes = tx.scenes.find(run_id=run_id, order="number")
    edits = []
    for scene in scenes:
        prompt, seconds = (request.form.get(f"{name}-{scene.number}") for name in ("prompt", "seconds"))
        changes: dict[str, Any] = {}
        if prompt is not None and prompt.split() != scene.prompt.split():
            changes["prompt"] = prompt
        if seconds is not None and seconds != f"{scene.seconds:g}":
            changes["seconds"] = number(seconds)
        if changes:
            edits.append({"number": scene.number, **changes})
    return validated(Approve, {"scenes": edits, "max_cost_usd": number(request.form.get("most", ""))})


@bp.post("/runs/<run_id>/cancel")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def cancel(run_id: str) -> Response | Redirect:
    """Cancel; what is paid for is kept."""
    return on_run(run_id, lambda: control.cancel(services(), run_id, actor().name, press=g.get("press")))


@bp.post("/runs/<run_id>/retry")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def retry(run_id: str) -> Response | Redirect:
    """Go on with a run that has stopped."""
    return on_run(run_id, lambda: retried(run_id))


@bp.post("/runs/<run_id>/scenes/<int(max=50):n>/regenerate")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def regenerate(run_id: str, n: int) -> Answer:
    """Make one scene again, with other words or settings, for no more than the price that was shown."""
    must_exist(run_id)
    return _keeping_words(run_id, lambda: _regenerate(run_id, n), n)


def _regenerate(run_id: str, n: int) -> Answer:
    wanted = _regenerate_form(run_id, n)
    if wanted.at_most_micro is not None:
        found = dry_run.regeneration(services(), run_id, n, wanted.changes())
        if found.shown_micro > wanted.at_most_micro and not found.problems:
            return _asked_again(run_id, "Make it again", wanted.at_most_micro, found.shown_micro)
    return on_run(run_id, lambda: regenerated(run_id, n, wanted))


@bp.post("/runs/<run_id>/scenes/<int(max=50):n>/quote")
@declares(Door.LINK, Owner.ACCOUNT, "trigger", subjects=subjects)
def quote_scene(run_id: str, n: int) -> Response:
    """What exactly this scene would cost, while it is being typed. Buys nothing."""
    must_exist(run_id)
    try:
        # The ceiling of the form is the price before the last letter was typed.
        found = dry_run.regeneration(services(), run_id, n, _regenerate_form(run_id, n).changes())
    except InvalidOrder as error:
        return priced(_why(from_domain(error)), None)
    except HttpProblem as error:
        return priced(_why(error), None)
    if found.problems:
        return priced(" ".join(problem.message for problem in found.problems), None)
    price = most_of(found.shown_micro)
    return priced(f"A new clip for at most {price}.", found.shown_micro, f"Make it again — up to {price}")


def priced(sentence: str, most_micro: int | None, label: str | None = None) -> Response:
    """A price for the script of a form; without one nothing can be bought as it stands."""
    most = None if most_micro is None else dollars(most_micro)
    return Response(
        json.dumps({"html": str(escape(named(sentence))), "most": most, "label": label}, ensure_ascii=False),
        mimetype="application/json",
    )


def _regenerate_form(run_id: str, n: int) -> Regenerate:
    """What somebody changed of a scene. The price that the page showed, beside the model or for the whole form, is the
    most that it may cost. Raises 422.
    """
    form = request.form
    model, _, beside_model = form.get("model", "").partition(" ")
    fields: dict[str, Any] = {"prompt": form.get("prompt") or None, "model": model or None}
    with services().store.read() as tx:
        found = tx.scenes.find(run_id=run_id, number=n, limit=1)
    for name, now in (("seconds", found[0].seconds), ("seed", found[0].settings.seed)) if found else ():
        given = form.get(name)
        if given is not None and given != ("" if now is None else f"{now:g}"):
            fields[name] = number(given, whole=name == "seed")
    negative = form.get("negative_prompt")
    if found and negative is not None and negative != (found[0].settings.negative_prompt or ""):
        fields["negative_prompt"] = negative
    for name in ("caption", "narration"):
        given = form.get(name)
        if found and given is not None and given.split() != (getattr(found[0], name) or "").split():
            fields[name] = given
    fields |= {name: form[name] for name in ("resolution", "aspect_ratio") if form.get(name)}
    fields |= _joined_form(found[0]) if found else {}
    fields["max_cost_usd"] = number(form.get("most") or beside_model)
    always = {name: value for name, value in fields.items() if value is not None or name in {"seed", "transition"}}
    return validated(Regenerate, always)


def _joined_form(scene: Scene) -> dict[str, Any]:
    """What somebody changed of a scene's own pictures, and of how it goes on from the scene before."""
    form = request.form
    fields: dict[str, Any] = {}
    addresses = form.get("references", "").split()
    if addresses or form.get("no_references"):
        fields["references"] = addresses
    if "joined" in form and (form.get("continues") == "1") is not scene.continues:
        fields["continues"] = form.get("continues") == "1"
    if "transition" in form and form["transition"] != (scene.transition or ""):
        fields["transition"] = form["transition"] or None
    return fields


@bp.post("/runs/<run_id>/generations/<generation_id>/decide")
@declares(Door.LINK, Owner.OPERATOR, "trigger", subjects=subjects)
def decide(run_id: str, generation_id: str) -> Response | Redirect:
    """What to do about money in doubt."""
    choice = validated(Decision, {"choice": request.form.get("choice", "")}).choice
    return on_run(run_id, lambda: _decide(run_id, generation_id, choice))


def _decide(run_id: str, generation_id: str, choice: str) -> None:
    """A link to one run decides nothing about another's generations."""
    with services().store.read() as tx:
        gen = tx.generations.get(generation_id)
    if gen is not None and gen.run_id == run_id:
        in_doubt.decide(services(), generation_id, choice, actor().name, press=g.get("press"))


def on_run(run_id: str, act: Callable[[], object]) -> Response | Redirect:
    """Do it, and show the run. Raises 404."""
    must_exist(run_id)

    def told() -> None:
        try:
            act()
        except (HttpProblem, ReelgridError) as refusal:
            g.refusal = refusal
            raise

    return once(here(url_for("pages.run_page", run_id=run_id)), told)


def _keeping_words(run_id: str, act: Callable[[], Answer], scene: int | None = None) -> Answer:
    """Do what a form asks for. Where that is refused, a person gets the page again, with why and all that they typed;
    `scene` is the one that the form is about, None for the approval.
    """
    try:
        answer = act()
        refusal: HttpProblem | ReelgridError | None = g.get("refusal")
        if refusal is None or not prefers_page():
            return answer
    except (HttpProblem, InvalidOrder) as error:
        if not prefers_page():
            raise
        refusal = error
    problem = refusal if isinstance(refusal, HttpProblem) else from_domain(refusal)
    if problem.status not in MENDABLE:
        raise refusal
    typed = Typed(request.form.to_dict(), scene, _why(problem), problem.more.get("top_up_url"))
    return show_run(run_id, typed), problem.status


def _why(problem: HttpProblem) -> str:
    """One sentence for each thing that is wrong, as people call the fields."""
    said = [
        one.message if one.message[:1].isupper() else f"{_on_the_form(one.field)} {one.message}"
        for one in problem.problems
    ]
    return " ".join(said) or problem.detail


def _on_the_form(field: str) -> str:
    picture = _PICTURE.fullmatch(field)
    if picture:
        return f"Picture {int(picture.group(1)) + 1}"
    return _CALLED.get(field, field.replace("_", " ").capitalize())


def signed_in_person() -> Actor | None:
    """Who may also see the other pages; None for the holder of a link."""
    return None if actor().name == LINK else actor()


def show_run(run_id: str, typed: Typed | None = None) -> str:
    """The page of a run that is there; `typed` is what stood in one of its forms that was refused."""
    run, parts = run_parts(run_id, typed)
    row = run["base_id"], run["record_id"]
    others = run_view.runs_of_row(services(), *row, MOST_RUNS) if all(row) else []
    return render_template(
        "run.html",
        run=run,
        typed=typed,
        tab=tab_title(run),
        icon=tab_icon(run),
        sections=parts,
        others=others,
        films_of=_films_of([other["run_id"] for other in others]),
        may_act=actor().may("trigger"),
        press=new_token(),
        person=signed_in_person(),
        live=here(url_for("pages.run_live", run_id=run_id, history=history_asked())),
    )


def _films_of(run_ids: list[str]) -> dict[str, str]:
    """The first film of each run's newest take that is kept, by the run."""
    with services().store.read() as tx:
        cuts = tx.cuts.find(run_id=run_ids, animatic=False, deleted_at=None, order="take") if run_ids else []
    # Of one take the first one that was made stands last.
    newest = sorted((cut for cut in cuts if cut.key), key=lambda cut: (cut.take, -cut.created_at))
    return {cut.run_id: cut.id for cut in newest}
