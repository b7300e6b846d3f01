"""What the form begins with: the order of an earlier run, or a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from werkzeug.datastructures import MultiDict

from pipelines.domain.money import dollars
from pipelines.domain.orders.brand import own_style_notes
from pipelines.domain.orders.inputs import Files, Input, Money
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.hooks import first_film
from pipelines.stages.orders import saved
from pipelines.stages.views import sections
from webapp.context import services
from webapp.errors import not_here
from webapp.pages.ordering.fields import brands
from webapp.pages.ordering.quoting import BRAND, IDEA, OF_SCENE, SCENES, inputs


def form_of_run(run_id: str) -> MultiDict[str, str]:
    """The order of an earlier run as the form has it. Files of it are ours now and have no address of their own."""
    with services().store.read() as tx:
        run = tx.runs.get(run_id)
        scenes = first_film(tx.scenes.find(run_id=run_id, order="number")) if run else []
    if run is None or run.order is None:
        raise not_here("run")
    form: MultiDict[str, str] = MultiDict({"kind": SCENES if scenes else IDEA})
    order = _without_brand(run.order, form)
    for item in inputs():
        value = getattr(order, item.name)
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


def _without_brand(order: Order, form: MultiDict[str, str]) -> Order:
    """What the order says itself, where its brand may be chosen again; the form has that then."""
    row = order.brand_row or (order.brand.row if order.brand else None)
    if row is None or (chosen := f"{row.base_id}/{row.record_id}") not in brands():
        return order
    form[BRAND] = chosen
    if order.brand is None:
        return order
    usual = {item.name: item.default for item in inputs() if item.name in order.brand.lent}
    return replace(order, **usual, style_notes=own_style_notes(order.brand, order.style_notes))


def form_of_draft(draft_id: str) -> MultiDict[str, str]:
    """A form as it was saved. Raises 404."""
    kept = saved.opened(services(), draft_id)
    form: MultiDict[str, str] = MultiDict([(name, value) for name, values in kept.fields.items() for value in values])
    form["draft"] = kept.id
    return form


def _as_text(item: Input, value: Any) -> str:
    if isinstance(item.kind, Money):
        return f"{dollars(value):g}"
    return f"{value:g}" if isinstance(value, float) else str(value)
