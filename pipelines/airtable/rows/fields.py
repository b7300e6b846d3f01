"""Rows to orders: every input field of the contract, tolerant in reading, exact in complaining."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any

from pipelines.airtable.field_map import RECORD_ID
from pipelines.airtable.rows.cells import Cells
from pipelines.domain.airtable.fields import (
    VIDEO_TICKS,
    BrandField,
    SceneField,
    SettingsField,
    VersionField,
    VideoField,
)
from pipelines.domain.errors import Problem
from pipelines.domain.lifecycle import SceneStatus
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.field_labels import FIELD_LABELS
from pipelines.domain.orders.inputs import (
    Box,
    Choice,
    Files,
    Hue,
    Kind,
    ModelName,
    Money,
    Number,
    Percent,
    SceneLines,
    Seconds,
    Text,
    hue_in,
    inputs_of,
    values_of,
)
from pipelines.domain.orders.list_marks import holds_table, scene_lines
from pipelines.domain.orders.order import MAX_PROMPT, MAX_SCENES, Order, SceneOrder, order_of
from pipelines.ports import AirtableBrand, AirtableRow, AirtableScene, AirtableSettings, AirtableVersion

V, S = VideoField, SceneField
Label = Callable[[str], str]


def row_to_order(fields: Mapping[str, Any], label: Label = str) -> tuple[Order, tuple[Problem, ...]]:
    """A `Videos` row, by our own names, as an order; and a sentence for everything that cannot be read.

    What has a problem is left at its default in the order. An order without any prompt is a problem unless the row
    has linked scenes: only who reads those can tell.
    """
    cells = Cells(fields, label)
    order = order_of(_read(cells, Order), adapt=True)
    order = replace(order, formats=tuple(shape for shape in order.formats if shape != order.aspect_ratio))
    master_prompt, prompt = label(FIELD_LABELS["master_prompt"]), label(FIELD_LABELS["scenes"])
    complained = {problem.field for problem in cells.problems} & {master_prompt, prompt}
    if not order.master_prompt and not order.scenes and not fields.get(V.SCENES) and not complained:
        cells.complain(
            FIELD_LABELS["master_prompt"], f"is empty. Write what the video is about, or one scene a line in {prompt}"
        )
    return order, tuple(cells.problems)


def _read(cells: Cells, record: type[Order | SceneOrder | Brand]) -> dict[str, Any]:
    """What a person gave for an order or a scene of one, by the names of its attributes."""
    return {item.name: _value(cells, item.label, item.kind) for item in inputs_of(record)}


def _value(cells: Cells, name: str, kind: Kind) -> Any:
    match kind:
        case Text(most=most):
            return cells.text(name, most)
        case SceneLines():
            return _scenes(cells, name)
        case ModelName():
            return cells.text(name)
        case Number(low, high, whole):
            return cells.number(name, low, high, whole=whole)
        case Seconds(low, high):
            return cells.seconds(name, low, high)
        case Money():
            return cells.money(name)
        case Percent():
            # A percent cell holds a share of 1; who types 85 into a plain number means percent too.
            number = cells.number(name, 0, 100)
            return number / 100 if number is not None and number > 1 else number
        case Hue():
            return _hue(cells, name)
        case Choice(words, several=several, tidy=tidy):
            return (cells.choices if several else cells.choice)(name, words, tidy)
        case Files(media_type, several, made):
            return cells.files(name, media_type) if several else _one_file(cells, name, media_type, made)
        case Box():
            return cells.flag(name)


def _hue(cells: Cells, name: str) -> str | None:
    text = cells.text(name)
    hue = hue_in(text) if text else None
    if text and hue is None:
        cells.complain(name, f"must be a colour such as #0055FF; it is “{text[:40]}”")
    return hue


def _scenes(cells: Cells, name: str) -> tuple[SceneOrder, ...]:
    """`Prompt`, one scene a line; the marks of a list are not part of a scene."""
    text = cells.text(name) or ""
    if holds_table(text):
        cells.complain(name, "holds a table. Write one scene a line, without columns")
        return ()
    prompts = scene_lines(text)
    if len(prompts) > MAX_SCENES:
        cells.complain(name, f"has {len(prompts)} lines, each of them a scene; at most {MAX_SCENES} are possible")
        return ()
    if too_long := [number for number, prompt in enumerate(prompts, 1) if len(prompt) > MAX_PROMPT]:
        cells.complain(name, f"line {too_long[0]} has more than {MAX_PROMPT:,} characters")
        return ()
    return tuple(SceneOrder(prompt=prompt) for prompt in prompts)


def _one_file(cells: Cells, name: str, kind: str, made: Container[str]) -> str | None:
    found = cells.files(name, kind, made)
    if len(found) > 1:
        cells.complain(name, f"takes one file; it holds {len(found)}")
    return found[0] if found else None


def _pairs(cells: Cells) -> tuple[tuple[str, str], ...]:
    return tuple((problem.field, problem.message) for problem in cells.problems)


def airtable_row(record_id: str, fields: Mapping[str, Any], label: Label = str) -> AirtableRow:
    """A `Videos` row as the core reads it."""
    order, problems = row_to_order(fields, label)
    cells = Cells(fields, label)
    scheduled_for = cells.moment(V.SCHEDULED_FOR)
    brand_id, *more = links(fields.get(V.BRAND)) or (None,)
    if more:
        cells.complain(V.BRAND, f"takes one row; it holds {len(more) + 1}")
    return AirtableRow(
        record_id=record_id,
        order=order,
        status=cells.text(V.STATUS),
        problems=(*((problem.field, problem.message) for problem in problems), *_pairs(cells)),
        ticks=frozenset(tick.value for tick in VIDEO_TICKS if cells.flag(tick)),
        scheduled_for=scheduled_for,
        fields=dict(fields),
        given=tuple(item.name for item in inputs_of(Order) if fields.get(item.label) not in (None, "", [])),
        brand_id=brand_id,
    )


def airtable_brand(record_id: str, fields: Mapping[str, Any], label: Label = str) -> AirtableBrand:
    """A `Brands` row. What cannot be read is left out and noted: no film waits for it."""
    cells = Cells(fields, label)
    found = values_of(Brand, _read(cells, Brand))
    told = cells.text(BrandField.PROBLEMS)
    notes = tuple(f"{problem.field} {problem.message}" for problem in cells.problems)
    return AirtableBrand(record_id=record_id, brand=Brand(**found, told=told, notes=notes))


def airtable_scene(
    record_id: str, fields: Mapping[str, Any], label: Label = str, columns: Container[str] = ()
) -> AirtableScene:
    """A `Scenes` row as a person left it: a row made by hand has no Status yet, which means Draft. Its problems do
    not stop it from being read. An empty cell looks like a field that the base does not have: `columns` it has.
    """
    cells = Cells(fields, label)
    number = cells.number(S.NUMBER, 0, 10_000)
    scene = SceneOrder(**values_of(SceneOrder, _read(cells, SceneOrder)), airtable_record_id=record_id)
    return AirtableScene(
        record_id=record_id,
        number=None if number is None else int(number),
        scene=scene,
        status=cells.text(S.STATUS) or SceneStatus.DRAFT.value,
        key=cells.text(S.SCENE_KEY),
        regenerate=cells.flag(S.REGENERATE),
        video_id=linked(fields.get(S.VIDEO)),
        problems=_pairs(cells),
        blank=frozenset(
            item.name for item in inputs_of(SceneOrder) if item.label in columns and not getattr(scene, item.name)
        ),
    )


def scene_number(fields: Mapping[str, Any]) -> float | None:
    """The number of a `Scenes` row as written."""
    return Cells(fields).number(S.NUMBER, 0, 10_000)


def airtable_version(record_id: str, fields: Mapping[str, Any]) -> AirtableVersion:
    """A `Versions` row."""
    cells = Cells(fields)
    run = cells.number(VersionField.RUN, 0, 1e9)
    return AirtableVersion(
        record_id=record_id,
        video_id=linked(fields.get(VersionField.VIDEO)),
        run=None if run is None else int(run),
        restore=cells.flag(VersionField.RESTORE),
    )


def airtable_settings(record_id: str, fields: Mapping[str, Any]) -> AirtableSettings:
    """The `Settings` row; a budget that cannot be read counts as 0, because guessing would spend."""
    cells = Cells(fields)
    budget = cells.money(SettingsField.DAY_BUDGET)
    return AirtableSettings(
        stop=cells.flag(SettingsField.STOP_SPENDING),
        day_budget_micro=0 if cells.problems else budget,
        record_id=record_id,
    )


def links(value: Any) -> tuple[str, ...]:
    """The rows that a link names; none where the field is something else."""
    entries = value if isinstance(value, (list, tuple)) else ()
    return tuple(entry for entry in map(str, entries) if RECORD_ID.fullmatch(entry))


def linked(value: Any) -> str | None:
    """The first row of a link: an id in records, `{id, name}` in webhook payloads."""
    first = value[0] if isinstance(value, (list, tuple)) and value else None
    if isinstance(first, Mapping):
        first = first.get("id")
    return str(first) if first else None
