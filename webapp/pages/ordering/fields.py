"""The fields of the form: every input of an order, with what stands in it and what may be chosen.

The fields are those that an order declares: a new input has its place here without a line more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from werkzeug.datastructures import MultiDict

from pipelines.domain.errors import InvalidOrder
from pipelines.domain.orders.inputs import Box, Choice, Files, Input, ModelName, Money, Number, Percent, Seconds, Text
from pipelines.domain.orders.order import Order
from pipelines.stages.orders import plan_run
from webapp.api.operate import catalogue
from webapp.context import actor, services
from webapp.pages.ordering.quoting import Quoted, inputs

FITTED = ("clip_seconds", "aspect_ratio", "resolution")
"""What a model may not be able to do: each of its words is tried beside all else that was chosen."""
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


def fields_of(form: MultiDict[str, str], quoted: Quoted | None) -> list[Field]:
    """Every input with what stands in it, what is wrong with it, and what may be chosen."""
    wrong: dict[str, str] = {}
    for problem in quoted.problems if quoted else ():
        wrong.setdefault(problem.field.partition("[")[0], problem.message)
    order = (quoted and quoted.order) or _guess(form)
    fields = []
    for item in inputs():
        name = item.api_name
        several = isinstance(item.kind, Choice) and item.kind.several
        value = form.getlist(name) if several else form.get(name, "")
        fields.append(Field(item, value, wrong.get(name), _options(item, order)))
    return fields


def brands() -> dict[str, str]:
    """What may be chosen as brand, by what the form says of it: those in the bases of whoever orders."""
    with services().store.read() as tx:
        found = [base for base in tx.bases.find(account_id=actor().account_id) if base.state.brands.rows]
    return {
        f"{base.id}/{one.record_id}": f"{one.name} ({base.name or base.id})" if len(found) > 1 else one.name
        for base in found
        for one in sorted(base.state.brands.rows, key=lambda row: row.name.casefold())
    }


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
