"""The form of a new video, read as an order and quoted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from werkzeug.datastructures import MultiDict

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.inputs import Box, Choice, Files, Input, Money, Number, Percent, Seconds, inputs_of
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.stages.orders import accept, script
from pipelines.stages.orders.accept import Estimate, StartRequest
from pipelines.stages.spending import caps
from webapp.api.orders import FilmOrder
from webapp.bodies import validated
from webapp.context import actor, services
from webapp.errors import HttpProblem
from webapp.pages.forms import number

IDEA, SCENES = "idea", "scenes"
START, WRITE = "start", "write"
STARTS = frozenset({START, WRITE})
"""The buttons that start a film: at once, or with its scenes only, to be read before any clip is bought."""
BRAND = "brand"
"""The field of it: the ids of its base and of its row in `Brands`, with a slash between."""
OF_SCENE = ("scene", "scene_caption", "scene_narration")
"""The fields of one scene: what it shows, what stands in it, and what is said over it."""


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


def quoted_form(form: MultiDict[str, str]) -> Quoted:
    """What the form orders and costs, and everything that is wrong with it, under the names of its fields."""
    try:
        order = validated(FilmOrder, _given(form)).order()
        _must_say_something(form, order)
    except HttpProblem as problem:
        return Quoted(None, None, problem.listed())
    except InvalidOrder as error:
        return Quoted(None, None, error.problems)
    found = accept.dry_run(services(), StartRequest(source="rest", order=order), key_id=actor().key_id)
    return Quoted(order, found, found.problems, _refusal(order, found))


def scenes_of(form: MultiDict[str, str]) -> list[tuple[str, ...]]:
    """The fields of each scene, which all come once for each, in the same order."""
    prompts, *beside = (form.getlist(name) for name in OF_SCENE)
    return [(prompt, *(more[n] if n < len(more) else "" for more in beside)) for n, prompt in enumerate(prompts)]


def inputs() -> list[Input]:
    return [item for item in inputs_of(Order) if item.api]


def _must_say_something(form: MultiDict[str, str], order: Order) -> None:
    if form.get("kind") == SCENES and not order.scenes:
        raise InvalidOrder([Problem("scenes", "Write at least one scene.")])
    if form.get("kind") != SCENES and not order.master_prompt:
        raise InvalidOrder([Problem("master_prompt", "Write what the video is about.")])
    if order.languages and not form.get("languages"):
        # What is ticked has the order of the page: which of them is translated from, it cannot say.
        raise InvalidOrder([Problem("languages", "Choose the language that the video is written in.")])


def _refusal(order: Order, found: Estimate) -> str | None:
    """Why a run of this price could not set its money aside now, in the words of the budget that refuses. Only what is
    too much in full is asked for the clips that are there already.
    """
    if not found.quote_micro or found.plan is None:
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
        refused = partial(caps.refusal, tx, core.clock.now(), run, policy=core.policy)
        return refused(found.quote_micro) and refused(script.due_at_least(core, tx, order, found.plan))


def _given(form: MultiDict[str, str]) -> dict[str, Any]:
    """The form as a request of the API would say it. What the chosen way of writing does not use is left out."""
    by_scene = form.get("kind") == SCENES
    unused = {"master_prompt", "scene_count"} if by_scene else set()
    data = {item.api_name: _typed(item, form) for item in inputs() if item.api_name not in unused}
    said = {name: value for name, value in data.items() if value is not None}
    base_id, _, record_id = form.get(BRAND, "").partition("/")
    if record_id:
        # What is left as it is on the page is the brand's.
        usual = {item.api_name: str(item.default) for item in inputs() if isinstance(item.kind, Choice)}
        said = {name: value for name, value in said.items() if value != usual.get(name)}
        said[BRAND] = {"base_id": base_id, "record_id": record_id}
    if by_scene:
        written = [scene for scene in scenes_of(form) if scene[0].strip()]
        columns = zip(*written, strict=True) if written else [()] * len(OF_SCENE)
        said |= dict(zip(("scenes", "scene_captions", "scene_narrations"), map(tuple, columns), strict=True))
    return {**said, "adapt": True, "fresh": "fresh" in form, "ask_first": form.get("do") == WRITE}


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
