"""Rows to orders: every input field of the contract, tolerant in reading, exact in complaining."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.airtable.rows.cells import Cells
from pipelines.domain.airtable.fields import VIDEO_TICKS, SceneField, SettingsField, VersionField, VideoField
from pipelines.domain.errors import Problem
from pipelines.domain.footage import LOGO_OPACITY, Captions, Corner, Fit, Transition
from pipelines.domain.lifecycle import SceneStatus
from pipelines.domain.orders.list_marks import holds_table, scene_lines
from pipelines.domain.orders.order import (
    ASPECT_RATIOS,
    DEFAULT_SCENES,
    MAX_PROMPT,
    MAX_SCENES,
    MAX_SEED,
    MAX_TRANSITION_S,
    MIN_TRANSITION_S,
    RESOLUTIONS,
    Order,
    SceneOrder,
)
from pipelines.ports import AirtableRow, AirtableScene, AirtableSettings, AirtableVersion

V, S = VideoField, SceneField
Label = Callable[[str], str]
MAX_CLIP_S = 60.0
_SHAPES = {
    "landscape": "16:9",
    "widescreen": "16:9",
    "horizontal": "16:9",
    "portrait": "9:16",
    "vertical": "9:16",
    "square": "1:1",
}


def row_to_order(fields: Mapping[str, Any], label: Label = str) -> tuple[Order, tuple[Problem, ...]]:
    """A `Videos` row, by our own names, as an order; and a sentence for everything that cannot be read.

    What has a problem is left at its default in the order. An order without any prompt is a problem unless the row
    has linked scenes: only who reads those can tell.
    """
    cells = Cells(fields, label)
    order = _order(cells)
    if not order.master_prompt and not order.scenes and not fields.get(V.SCENES) and not _complained(cells, label):
        prompt = label(V.PROMPT)
        cells.complain(V.MASTER_PROMPT, f"is empty. Write what the video is about, or one scene a line in {prompt}")
    return order, tuple(cells.problems)


def _complained(cells: Cells, label: Label) -> bool:
    return bool({problem.field for problem in cells.problems} & {label(V.MASTER_PROMPT), label(V.PROMPT)})


def _order(cells: Cells) -> Order:
    aspect = cells.choice(V.ASPECT_RATIO, ASPECT_RATIOS, _shape) or ASPECT_RATIOS[0]
    film_s = cells.seconds(V.FILM_SECONDS, 0.5, MAX_SCENES * MAX_CLIP_S)
    seed = cells.number(V.SEED, 0, MAX_SEED, whole=True)
    formats = cells.choices(V.FORMATS, ASPECT_RATIOS, _shape)
    return Order(
        title=cells.text(V.TITLE),
        master_prompt=cells.text(V.MASTER_PROMPT, MAX_PROMPT),
        scenes=_scenes(cells),
        scene_count=int(cells.number(V.SCENE_COUNT, 1, MAX_SCENES, whole=True) or (0 if film_s else DEFAULT_SCENES)),
        film_seconds=film_s,
        clip_seconds=cells.seconds(V.CLIP_SECONDS, 0.5, MAX_CLIP_S),
        aspect_ratio=aspect,
        formats=tuple(shape for shape in formats if shape != aspect),
        fit=Fit(cells.choice(V.FIT, [fit.value for fit in Fit]) or Fit.CROP),
        resolution=cells.choice(V.RESOLUTION, RESOLUTIONS, _lines) or "720p",
        model=cells.text(V.MODEL),
        style_notes=cells.text(V.STYLE_NOTES, MAX_PROMPT),
        references=cells.files(V.REFERENCE_IMAGES, "image/"),
        first_frame=_one_file(cells, V.FIRST_FRAME, "image/"),
        last_frame=_one_file(cells, V.LAST_FRAME, "image/"),
        seed=None if seed is None else int(seed),
        negative_prompt=cells.text(V.NEGATIVE_PROMPT, MAX_PROMPT),
        max_cost_micro=cells.money(V.MAX_COST),
        transition=_transition(cells, V.TRANSITION) or Transition.CUT,
        transition_seconds=cells.seconds(V.TRANSITION_SECONDS, MIN_TRANSITION_S, MAX_TRANSITION_S) or 0.5,
        captions=Captions(cells.choice(V.CAPTIONS, [kind.value for kind in Captions]) or Captions.NONE),
        logo=_one_file(cells, V.LOGO, "image/"),
        logo_position=Corner(cells.choice(V.LOGO_POSITION, [corner.value for corner in Corner]) or Corner.TOP_RIGHT),
        logo_opacity=_opacity(cells),
        music=_one_file(cells, V.MUSIC, "audio/"),
        title_card=cells.text(V.TITLE_CARD),
        end_card=cells.text(V.END_CARD),
        loudness_lufs=cells.number(V.LOUDNESS, -40, -5),
        allow_rewrite=cells.flag(V.ALLOW_REWRITE),
        adapt=True,
    )


def _opacity(cells: Cells) -> float:
    """A percent cell holds a share of 1; who types 85 into a plain number means percent too."""
    number = cells.number(V.LOGO_OPACITY, 0, 100)
    if number is None:
        return LOGO_OPACITY
    return number / 100 if number > 1 else number


def _scenes(cells: Cells) -> tuple[SceneOrder, ...]:
    """`Prompt`, one scene a line; the marks of a list are not part of a scene."""
    text = cells.text(V.PROMPT) or ""
    if holds_table(text):
        cells.complain(V.PROMPT, "holds a table. Write one scene a line, without columns")
        return ()
    prompts = scene_lines(text)
    if len(prompts) > MAX_SCENES:
        cells.complain(V.PROMPT, f"has {len(prompts)} lines, each of them a scene; at most {MAX_SCENES} are possible")
        return ()
    if too_long := [number for number, prompt in enumerate(prompts, 1) if len(prompt) > MAX_PROMPT]:
        cells.complain(V.PROMPT, f"line {too_long[0]} has more than {MAX_PROMPT:,} characters")
        return ()
    return tuple(SceneOrder(prompt=prompt) for prompt in prompts)


def _shape(text: str) -> str:
    word = text.casefold().strip()
    for name, ratio in _SHAPES.items():
        if word.startswith(name):
            return ratio
    found = re.search(r"(\d+)\s*[:x×/]\s*(\d+)", word)
    return f"{found.group(1)}:{found.group(2)}" if found else word


def _lines(text: str) -> str:
    """`1080`, `1080 p` and `Full HD 1080p` are all 1080p."""
    found = re.search(r"(?<!\d)(\d{3,4})\s*p?(?!\d)", text.casefold())
    return f"{found.group(1)}p" if found else text.casefold()


def _transition(cells: Cells, name: str) -> Transition | None:
    found = cells.choice(name, [kind.value for kind in Transition])
    return Transition(found) if found else None


def _one_file(cells: Cells, name: str, kind: str) -> str | None:
    found = cells.files(name, kind)
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
    return AirtableRow(
        record_id=record_id,
        order=order,
        status=cells.text(V.STATUS),
        problems=(*((problem.field, problem.message) for problem in problems), *_pairs(cells)),
        ticks=frozenset(tick.value for tick in VIDEO_TICKS if cells.flag(tick)),
        scheduled_for=scheduled_for,
        fields=dict(fields),
    )


def airtable_scene(record_id: str, fields: Mapping[str, Any], label: Label = str) -> AirtableScene:
    """A `Scenes` row as a person left it: a row made by hand has no Status yet, which means Draft. Its problems do
    not stop it from being read.
    """
    cells = Cells(fields, label)
    number = cells.number(S.NUMBER, 0, 10_000)
    scene = SceneOrder(
        prompt=cells.text(S.PROMPT, MAX_PROMPT) or "",
        caption=cells.text(S.CAPTION),
        seconds=cells.seconds(S.SECONDS, 0.5, MAX_CLIP_S),
        model=cells.text(S.MODEL),
        references=cells.files(S.REFERENCE_IMAGE, "image/"),
        continues=cells.flag(S.CONTINUE),
        transition=_transition(cells, S.TRANSITION),
        airtable_record_id=record_id,
    )
    return AirtableScene(
        record_id=record_id,
        number=None if number is None else int(number),
        scene=scene,
        status=cells.text(S.STATUS) or SceneStatus.DRAFT.value,
        key=cells.text(S.SCENE_KEY),
        regenerate=cells.flag(S.REGENERATE),
        video_id=linked(fields.get(S.VIDEO)),
        problems=_pairs(cells),
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


def linked(value: Any) -> str | None:
    """The first row of a link: an id in records, `{id, name}` in webhook payloads."""
    first = value[0] if isinstance(value, (list, tuple)) and value else None
    if isinstance(first, Mapping):
        first = first.get("id")
    return str(first) if first else None
