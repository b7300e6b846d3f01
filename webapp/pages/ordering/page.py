"""A new video ordered on a page: what is wanted, by which model, and its price before anything starts.

Without a script the buttons show the same page with its price; with one the price follows every letter.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace

from flask import Response, flash, g, json, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import Problem, ReelgridError
from pipelines.domain.keys import digest
from pipelines.domain.money import dollars, to_micro
from pipelines.domain.orders.field_labels import for_row
from pipelines.domain.orders.order import DEFAULT_SCENES, MAX_LINE, MAX_PROMPT, MAX_SCENES
from pipelines.stages.orders import accept, saved
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import credit_book
from pipelines.stages.views import run_view
from webapp import idempotency
from webapp.access.rules import Door, Owner, declares
from webapp.api.answers import ModelView
from webapp.api.operate import catalogue, stopped, usage_of
from webapp.api.orders import MAX_CAPTION
from webapp.context import actor, services, top_up_url
from webapp.errors import prefers_page
from webapp.pages.blueprint import bp
from webapp.pages.filters import most_of
from webapp.pages.forms import number
from webapp.pages.light import squeezed
from webapp.pages.ordering.earlier import form_of_draft, form_of_run
from webapp.pages.ordering.fields import FITTED, Field, brands, fields_of
from webapp.pages.ordering.quoting import IDEA, OF_SCENE, STARTS, Quoted, quoted_form, scenes_of

FIRST = ("master_prompt", "scene_count", "title", "model", "clip_seconds", "film_seconds")
NO_SCENE = ("",) * len(OF_SCENE)
PLACES = 3
"""Empty scenes that a page without a script begins with, and adds at a press."""
TITLE = 80
"""So much of its words a draft is called by."""
_AGAIN = "Nothing was started; look at the new price and press Start again if it is fine."
_DRAFT = re.compile(r"ord_[0-9a-f]{24}", re.ASCII)
_UNSAVED = frozenset({"csrf_token", "once", "most", "do", "draft"})


@bp.get("/new")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def new_video() -> Response:
    """The empty form, or that of an earlier run (`?from=`), or of a draft (`?draft=`)."""
    earlier, draft = request.args.get("from"), request.args.get("draft")
    if not (earlier or draft):
        return _page(MultiDict({"kind": IDEA}), None)
    form = form_of_run(earlier) if earlier else form_of_draft(draft or "")
    return _page(form, quoted_form(form))


@bp.post("/new")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def order_video() -> Response | Redirect:
    """Show what it costs, or start it for no more than was shown."""
    form = _arranged(request.form)
    if form.get("do") == "save":
        return _save(form)
    found = quoted_form(form)
    shown = number(form.get("most", ""))
    starts = form.get("do") in STARTS
    if not starts or found.order is None or found.most_micro is None or not isinstance(shown, float):
        return _page(form, found, status=422 if starts and found.most_micro is None else 200)
    if found.most_micro > to_micro(shown):
        dearer = f"The price has changed: it is now above the {most_of(to_micro(shown))} that you saw."
        return _page(form, found, refused=f"{dearer} {_AGAIN}", status=402)
    return _start(form, found, to_micro(shown))


def _start(form: MultiDict[str, str], found: Quoted, at_most_micro: int) -> Response:
    """One film, however often it is pressed; the page with all that was typed where it is refused after all."""
    order = found.order
    fresh = order is not None and order.fresh
    start = StartRequest(source="rest", order=order, fresh=fresh, paced=True, at_most_micro=at_most_micro)

    def handle() -> Response:
        try:
            run = accept.start(services(), replace(start, run_id=g.run_id), key_id=actor().key_id)
        except ReelgridError as refusal:
            g.refusal = refusal
            raise
        saved.remove(services(), form.get("draft", ""))
        return Response("", 303, {"Location": url_for("pages.run_page", run_id=run.run_id)})

    answer = idempotency.guarded(digest("new", actor().key_id, form.get("once", "")), "", handle)
    refusal: ReelgridError | None = g.get("refusal")
    if refusal is None or not prefers_page():
        return answer
    return _page(form, found, refused=f"{refusal.marketer} Nothing was started.", status=answer.status_code)


def _save(form: MultiDict[str, str]) -> Redirect:
    """Keep what stands there as a draft; a double press keeps one."""
    told = {name: tuple(form.getlist(name)) for name in form if name not in _UNSAVED}
    given = {name: values for name, values in told.items() if any(values)}
    words = next(filter(None, (form.get(name, "").strip() for name in ("title", "master_prompt", "scene"))), "")
    draft = form.get("draft", "")
    if not _DRAFT.fullmatch(draft):
        draft = f"ord_{digest('draft', actor().key_id, form.get('once', ''))[:24]}"
    saved.save(services(), draft, words[:TITLE] or "Untitled", given)
    flash("Your draft is saved. Nothing was ordered.")
    return redirect(url_for("pages.new_video", draft=draft), 303)


@bp.post("/new/drafts/<draft_id>/remove")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def remove_draft(draft_id: str) -> Redirect:
    """Keep a draft no longer. Twice is once."""
    saved.remove(services(), draft_id)
    return redirect(url_for("pages.new_video"), 303)


@bp.post("/new/quote")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def quote_video() -> Response:
    """The price of what stands in the form, and the settings as the chosen model can have them. Starts nothing."""
    found = quoted_form(request.form)
    body = {
        "html": _quote(found),
        "most": None if found.most_micro is None else dollars(found.most_micro),
        "label": _label(found),
        "swap": {"settings": _settings(fields_of(request.form, found))},
    }
    return Response(json.dumps(body, ensure_ascii=False), mimetype="application/json")


def _page(form: MultiDict[str, str], quoted: Quoted | None, refused: str | None = None, status: int = 200) -> Response:
    fields = fields_of(form, quoted)
    scenes = scenes_of(form)
    html = render_template(
        "new.html",
        person=actor(),
        form=form,
        kind=form.get("kind") or IDEA,
        scenes=scenes if any(map(any, scenes)) else [NO_SCENE] * PLACES,
        fields={field.item.api_name: field for field in fields},
        first=FIRST,
        fitted=FITTED,
        problems=_said(quoted.problems) if quoted and form.get("do") in STARTS else (),
        quote=_quote(quoted) if quoted else None,
        settings=_settings(fields),
        label=_label(quoted) if quoted else None,
        most=None if quoted is None or quoted.most_micro is None else dollars(quoted.most_micro),
        refused=refused,
        models=_models(),
        chosen=form.get("model") or services().policy.default_model,
        press=secrets.token_urlsafe(16),
        drafts=saved.newest(services()),
        brands=brands(),
        without_credits=_has_no_credits(),
        top_up_url=top_up_url(),
        longest=MAX_PROMPT,
        longest_caption=MAX_CAPTION,
        longest_line=MAX_LINE,
        usual=DEFAULT_SCENES,
    )
    return squeezed(html, status)


def _has_no_credits() -> bool:
    """Whether whoever orders pays in credits, and has not one."""
    core = services()
    with core.store.read() as tx:
        found = credit_book.terms(tx, core.clock.now(), core.prices, actor().account_id, core.prices.credit_micro)
    return found is not None and found.refusal is not None


def _arranged(form: MultiDict[str, str]) -> MultiDict[str, str]:
    """With a scene moved or removed, or places for more, if that is the button that was pressed."""
    what, _, which = form.get("do", "").partition("-")
    scenes, n = scenes_of(form), int(which) - 1 if which.isdecimal() and len(which) <= len(str(MAX_SCENES)) else -1
    if what == "add":
        scenes += [NO_SCENE] * PLACES
    elif what == "up" and 0 < n < len(scenes):
        scenes[n - 1], scenes[n] = scenes[n], scenes[n - 1]
    elif what == "drop" and 0 <= n < len(scenes):
        del scenes[n]
    arranged = MultiDict(form)
    for place, name in enumerate(OF_SCENE):
        arranged.setlist(name, [scene[place] for scene in scenes])
    return arranged


def _settings(fields: Sequence[Field]) -> Markup:
    named = {field.item.api_name: field for field in fields}
    return Markup(render_template("parts/new_settings.html", fields=named, fitted=FITTED))  # noqa: S704 - our template


def _quote(quoted: Quoted) -> Markup:
    usage = usage_of(["day"], None, None) if quoted.found else None
    asks = services().policy.approval_above_micro
    price = quoted.found.shown_micro if quoted.found else None
    found_plan = quoted.found.plan if quoted.found else None
    cost = quoted.found.quote_micro if quoted.found else None
    sold = quoted.found is not None and quoted.found.terms is not None
    html = render_template(
        "parts/new_quote.html",
        quoted=quoted,
        problems=_said(quoted.problems),
        found=quoted.found,
        plan=run_view.plan_view(found_plan, sold=sold) if found_plan else None,
        price=None if price is None else dollars(price),
        usage=usage,
        stop=stopped(),
        first=dollars(found_plan.before_approval_micro(sold=sold)) if found_plan else None,
        drafts=found_plan is not None and any(one.draft_micro for one in found_plan.scenes),
        asks=asks is not None and cost is not None and (asks == 0 or cost > asks),
    )
    return Markup(html)  # noqa: S704 - our template


def _said(problems: Sequence[Problem]) -> list[tuple[str, str]]:
    """Which field is wrong, and why under the name that stands on the page; a whole sentence says it by itself."""
    named = zip((problem.field for problem in problems), for_row(problems), strict=True)
    return [
        (field.partition("[")[0], row.message if row.message[:1].isupper() else f"{row.field}: {row.message}")
        for field, row in named
    ]


def _label(quoted: Quoted) -> str:
    return "Start" if quoted.most_micro is None else f"Start — up to {most_of(quoted.most_micro)}"


def _models() -> list[ModelView]:
    """Those that can be chosen: the default first, then the cheapest."""
    usable = [model for model in catalogue().models if model.configured and (model.free or _prices(model))]
    return sorted(usable, key=lambda model: (not model.default, min(_prices(model), default=0.0), model.label))


def _prices(model: ModelView) -> list[float]:
    """Of a second of a clip of its usual length, in each resolution, in dollars."""
    seconds, clips = model.price_usd_per_second, model.price_usd_per_clip
    names = dict.fromkeys((*seconds, *clips))
    return [seconds.get(name, 0.0) + clips.get(name, 0.0) / model.default_seconds for name in names]
