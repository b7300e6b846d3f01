"""A new video ordered on a page: what is wanted, by which model, and its price before anything starts.

The fields are those that an order declares: a new input has its place here without a line more. Without a script the
buttons show the same page with its price; with one the price follows every letter.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, g, json, render_template, request, url_for
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as Redirect

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.keys import digest, new_id
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import dollars, to_micro
from pipelines.domain.orders.field_labels import for_row
from pipelines.domain.orders.inputs import (
    Box,
    Choice,
    Files,
    Input,
    ModelName,
    Money,
    Number,
    Percent,
    Seconds,
    Text,
    inputs_of,
)
from pipelines.domain.orders.order import DEFAULT_SCENES, MAX_LINE, MAX_PROMPT, MAX_SCENES, Order
from pipelines.domain.planning.hooks import first_film
from pipelines.domain.records import Run
from pipelines.stages.orders import accept, plan_run
from pipelines.stages.orders.accept import Estimate, StartRequest
from pipelines.stages.spending import caps
from pipelines.stages.views import run_view, sections
from webapp import idempotency
from webapp.access.rules import Door, Owner, declares
from webapp.api.answers import ModelView
from webapp.api.operate import catalogue, stopped, usage_of
from webapp.api.orders import MAX_CAPTION, FilmOrder
from webapp.bodies import validated
from webapp.context import actor, services
from webapp.errors import HttpProblem, not_here
from webapp.pages.blueprint import bp
from webapp.pages.filters import most_of
from webapp.pages.forms import number

IDEA, SCENES = "idea", "scenes"
FIRST = ("master_prompt", "scene_count", "title", "model", "clip_seconds", "film_seconds")
FITTED = ("clip_seconds", "aspect_ratio", "resolution")
"""What a model may not be able to do: each of its words is tried beside all else that was chosen."""
OF_SCENE = ("scene", "scene_caption", "scene_narration")
"""The fields of one scene: what it shows, what stands in it, and what is said over it."""
NO_SCENE = ("",) * len(OF_SCENE)
PLACES = 3
"""Empty scenes that a page without a script begins with, and adds at a press."""
LENGTHS = 24
"""A model whose lengths are any number of seconds is offered at most so many."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input as the page shows it."""

    item: Input
    value: Any
    problem: str | None = None
    options: Sequence[tuple[str, str, str | None]] = ()
    """Value, words, and why it cannot be had."""

    @property
    def widget(self) -> str:
        """Which of the macros draws it."""
        kinds: Mapping[type, str] = {Text: "text", Number: "number", Seconds: "number", Percent: "number"}
        more: Mapping[type, str] = {Money: "number", Files: "text", Box: "tick", Choice: "choice", ModelName: "text"}
        kind = self.item.kind
        if self.item.name == "languages":
            return "languages"
        if isinstance(kind, Choice) and kind.several:
            return "ticks"
        if isinstance(kind, Text | Files) and (getattr(kind, "lines", False) or getattr(kind, "several", False)):
            return "lines"
        return "choice" if self.options else {**kinds, **more}[type(kind)]

    @property
    def help(self) -> str:
        """What the base says of it; a choice shows by itself what is usual."""
        words = self.item.description
        return words.partition("Empty:")[0].strip() if self.widget == "choice" else words


@dataclass(frozen=True, slots=True)
class Quoted:
    """The order of a form, what it would make and cost, and what stands against it."""

    order: Order | None
    found: Estimate | None
    problems: tuple[Problem, ...]
    refusal: str | None = None
    """Money: why it could not be set aside now."""

    @property
    def most_micro(self) -> int | None:
        """What may be agreed to; None while it cannot be started."""
        if self.problems or self.refusal or self.found is None:
            return None
        return self.found.shown_micro


@bp.get("/new")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def new_video() -> str:
    """The empty form, or that of an earlier run (`?from=`)."""
    earlier = request.args.get("from")
    if not earlier:
        return _page(MultiDict({"kind": IDEA}), None)
    form = _of_run(earlier)
    return _page(form, _quoted(form))


@bp.post("/new")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def order_video() -> str | tuple[str, int] | Response | Redirect:
    """Show what it costs, or start it for no more than was shown."""
    form = _arranged(request.form)
    quoted = _quoted(form)
    shown = number(form.get("most", ""))
    if form.get("do") != "start" or quoted.order is None or quoted.most_micro is None or not isinstance(shown, float):
        wrong = form.get("do") == "start" and quoted.most_micro is None
        return (_page(form, quoted), 422) if wrong else _page(form, quoted)
    if quoted.most_micro > to_micro(shown):
        return _page(form, quoted, dearer=most_of(to_micro(shown))), 402
    start = StartRequest(source="rest", order=quoted.order, fresh=quoted.order.fresh, paced=True)
    start = replace(start, at_most_micro=to_micro(shown))

    def handle() -> Response:
        run = accept.start(services(), replace(start, run_id=g.run_id), key_id=actor().key_id)
        return Response("", 303, {"Location": url_for("pages.run_page", run_id=run.run_id)})

    return idempotency.guarded(digest("new", actor().key_id, form.get("once", "")), "", handle)


@bp.post("/new/quote")
@declares(Door.SESSION, Owner.ACCOUNT, "trigger")
def quote_video() -> Response:
    """The price of what stands in the form, and the settings as the chosen model can have them. Starts nothing."""
    quoted = _quoted(request.form)
    body = {
        "html": _quote(quoted),
        "most": None if quoted.most_micro is None else dollars(quoted.most_micro),
        "label": _label(quoted),
        "swap": {"settings": _settings(_fields(request.form, quoted))},
    }
    return Response(json.dumps(body, ensure_ascii=False), mimetype="application/json")


def _page(form: MultiDict[str, str], quoted: Quoted | None, dearer: str | None = None) -> str:
    fields = _fields(form, quoted)
    scenes = _scenes(form)
    return render_template(
        "new.html",
        person=actor(),
        form=form,
        kind=form.get("kind") or IDEA,
        scenes=scenes if any(map(any, scenes)) else [NO_SCENE] * PLACES,
        fields={field.item.api_name: field for field in fields},
        first=FIRST,
        fitted=FITTED,
        problems=_said(quoted.problems) if quoted and form.get("do") == "start" else (),
        quote=_quote(quoted) if quoted else None,
        settings=_settings(fields),
        label=_label(quoted) if quoted else None,
        most=None if quoted is None or quoted.most_micro is None else dollars(quoted.most_micro),
        dearer=dearer,
        models=_models(),
        chosen=form.get("model") or services().policy.default_model,
        press=secrets.token_urlsafe(16),
        longest=MAX_PROMPT,
        longest_caption=MAX_CAPTION,
        longest_line=MAX_LINE,
        usual=DEFAULT_SCENES,
    )


def _arranged(form: MultiDict[str, str]) -> MultiDict[str, str]:
    """With a scene moved or removed, or places for more, if that is the button that was pressed."""
    what, _, which = form.get("do", "").partition("-")
    scenes, n = _scenes(form), int(which) - 1 if which.isdecimal() and len(which) <= len(str(MAX_SCENES)) else -1
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


def _scenes(form: MultiDict[str, str]) -> list[tuple[str, ...]]:
    """The fields of each scene, which all come once for each, in the same order."""
    prompts, *beside = (form.getlist(name) for name in OF_SCENE)
    return [(prompt, *(more[n] if n < len(more) else "" for more in beside)) for n, prompt in enumerate(prompts)]


def _settings(fields: Sequence[Field]) -> Markup:
    named = {field.item.api_name: field for field in fields}
    return Markup(render_template("parts/new_settings.html", fields=named, fitted=FITTED))  # noqa: S704 - our template


def _quote(quoted: Quoted) -> Markup:
    usage = usage_of(["day"], None, None) if quoted.found else None
    asks = services().policy.approval_above_micro
    has_drafts = bool(quoted.found and quoted.found.plan and any(one.draft_micro for one in quoted.found.plan.scenes))
    price = quoted.found.shown_micro if quoted.found else None
    cost = quoted.found.quote_micro if quoted.found else None
    sold = quoted.found is not None and quoted.found.terms is not None
    html = render_template(
        "parts/new_quote.html",
        quoted=quoted,
        problems=_said(quoted.problems),
        found=quoted.found,
        plan=run_view.plan_view(quoted.found.plan, sold=sold) if quoted.found and quoted.found.plan else None,
        price=None if price is None else dollars(price),
        usage=usage,
        stop=stopped(),
        drafts=has_drafts,
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
    usable = [model for model in catalogue().models if model.configured and (model.free or model.price_usd_per_second)]
    return sorted(
        usable,
        key=lambda model: (not model.default, min(model.price_usd_per_second.values(), default=0.0), model.label),
    )


def _quoted(form: MultiDict[str, str]) -> Quoted:
    """What the form orders and costs, and everything that is wrong with it, under the names of its fields."""
    try:
        order = validated(FilmOrder, _given(form)).order()
        _must_say_something(form, order)
    except HttpProblem as problem:
        return Quoted(None, None, problem.listed())
    except InvalidOrder as error:
        return Quoted(None, None, error.problems)
    found = accept.dry_run(services(), StartRequest(source="rest", order=order))
    return Quoted(order, found, found.problems, _refusal(order, found))


def _must_say_something(form: MultiDict[str, str], order: Order) -> None:
    if form.get("kind") == SCENES and not order.scenes:
        raise InvalidOrder([Problem("scenes", "Write at least one scene.")])
    if form.get("kind") != SCENES and not order.master_prompt:
        raise InvalidOrder([Problem("master_prompt", "Write what the video is about.")])
    if order.languages and not form.get("languages"):
        # What is ticked has the order of the page: which of them is translated from, it cannot say.
        raise InvalidOrder([Problem("languages", "Choose the language that the video is written in.")])


def _refusal(order: Order, found: Estimate) -> str | None:
    """Why a run of this price could not set its money aside now, in the words of the budget that refuses."""
    if not found.quote_micro:
        return None
    core, who = services(), actor()
    run = Run(
        id=new_id("run"),
        status=RunStatus.QUEUED,
        source="rest",
        order=order,
        account_id=who.account_id,
        key_id=who.key_id,
        # Whoever pays in credits learns no figure of what the operator pays.
        price_micro=found.terms.price_micro if found.terms else None,
    )
    with core.store.read() as tx:
        return caps.refusal(tx, core.clock.now(), run, found.quote_micro, core.policy)


def _given(form: MultiDict[str, str]) -> dict[str, Any]:
    """The form as a request of the API would say it. What the chosen way of writing does not use is left out."""
    by_scene = form.get("kind") == SCENES
    unused = {"master_prompt", "scene_count"} if by_scene else set()
    data = {item.api_name: _typed(item, form) for item in _inputs() if item.api_name not in unused}
    said = {name: value for name, value in data.items() if value is not None}
    if by_scene:
        written = [scene for scene in _scenes(form) if scene[0].strip()]
        columns = zip(*written, strict=True) if written else [()] * len(OF_SCENE)
        said |= dict(zip(("scenes", "scene_captions", "scene_narrations"), map(tuple, columns), strict=True))
    return {**said, "adapt": True, "fresh": "fresh" in form}


def _inputs() -> list[Input]:
    return [item for item in inputs_of(Order) if item.api]


def _typed(item: Input, form: MultiDict[str, str]) -> Any:
    """What stands in a field; None for nothing. What is no number stays text, and is refused by its name."""
    name = item.api_name
    text = form.get(name, "").strip()
    match item.kind:
        case Box():
            return True if name in form else None
        case Choice(several=True):
            return list(dict.fromkeys(word for word in form.getlist(name) if word)) or None
        case Files(several=True):
            return text.split() or None
        case Number(whole=True):
            return number(text, whole=True)
        case Number() | Seconds() | Money() | Percent():
            return number(text)
        case _:
            return text or None


def _fields(form: MultiDict[str, str], quoted: Quoted | None) -> list[Field]:
    """Every input with what stands in it, what is wrong with it, and what may be chosen."""
    wrong: dict[str, str] = {}
    for problem in quoted.problems if quoted else ():
        wrong.setdefault(problem.field.partition("[")[0], problem.message)
    order = (quoted and quoted.order) or _guess(form)
    fields = []
    for item in _inputs():
        name = item.api_name
        several = isinstance(item.kind, Choice) and item.kind.several
        value = form.getlist(name) if several else form.get(name, "")
        fields.append(Field(item, value, wrong.get(name), _options(item, order)))
    return fields


def _guess(form: MultiDict[str, str]) -> Order:
    """An order of the same model, for what may be chosen before anything was written."""
    known = {model.id for model in catalogue().models}
    model = form.get("model")
    return Order(master_prompt="A film.", model=model if model in known else None, adapt=True)


def _options(item: Input, order: Order) -> list[tuple[str, str, str | None]]:
    """The words of a choice; those that the model cannot make beside all else that was chosen, with the reason."""
    kind = item.kind
    if item.name == "clip_seconds":
        card = services().catalogue.get(order.model or services().policy.default_model)
        if card is None:
            return []
        longest = int(card.max_seconds)
        lengths = card.durations or tuple(range(max(1, round(card.min_seconds)), longest + 1))[:LENGTHS]
        usual = ("", f"As the model does: {card.default_seconds:g} s", None)
        return [usual, *((f"{value:g}", f"{value:g} s", _why_not(order, clip_seconds=value)) for value in lengths)]
    if not isinstance(kind, Choice):
        return []
    if item.name not in FITTED:
        nothing = [] if kind.several or item.default is not None else [("", "None", None)]
        return [*nothing, *((word, word, None) for word in kind.words)]
    return [(word, word, _why_not(order, **{item.name: word})) for word in kind.words]


def _why_not(order: Order, **change: Any) -> str | None:
    if "clip_seconds" in change and order.film_seconds is not None:
        return None
    try:
        plan_run.plan_order(services(), replace(order, **change))
    except InvalidOrder as error:
        return next((p.message for p in error.problems if p.field in change), None)
    return None


def _of_run(run_id: str) -> MultiDict[str, str]:
    """The order of an earlier run as the form has it. Files of it are ours now and have no address of their own."""
    with services().store.read() as tx:
        run = tx.runs.get(run_id)
        scenes = first_film(tx.scenes.find(run_id=run_id, order="number")) if run else []
    if run is None or run.order is None:
        raise not_here("run")
    form: MultiDict[str, str] = MultiDict({"kind": SCENES if scenes else IDEA})
    for item in _inputs():
        value = getattr(run.order, item.name)
        if isinstance(item.kind, Files) or value in (None, False, ()):
            continue
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            form.add(item.api_name, _as_text(item, one))
    for name, field in zip(OF_SCENE, ("prompt", "caption", "narration"), strict=True):
        form.setlist(name, [getattr(scene, field) or "" for scene in scenes])
    if scenes and not run.order.scenes:
        form.poplist("scene_count")
    form["title"] = run.order.title or sections.title(run)
    return form


def _as_text(item: Input, value: Any) -> str:
    if isinstance(item.kind, Money):
        return f"{dollars(value):g}"
    return f"{value:g}" if isinstance(value, float) else str(value)
