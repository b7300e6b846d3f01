"""One name per field for each kind of author: the REST body's and the Airtable row's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipelines.domain.errors import Problem
from pipelines.domain.orders.brand import BRAND_LABELS
from pipelines.domain.orders.inputs import inputs_of
from pipelines.domain.orders.order import Order, SceneOrder

FIELD_LABELS: dict[str, str] = {
    **{item.api_name: item.label for item in inputs_of(Order)},
    "prompt": "Prompt",
    "seconds": "Clip Seconds",
}
"""REST name → field of the `Videos` table."""

SCENE_LABELS: dict[str, str] = {item.name: item.label for item in inputs_of(SceneOrder)}
"""REST name within `scenes[n]` → field of the `Scenes` table."""

CLIP_FIELDS: dict[str, str] = {
    "scenes[0].prompt": "prompt",
    "scenes[0].seconds": "seconds",
    "scenes[0].model": "model",
    "scenes[0].references": "image_url",
    "scenes[0].last_frame": "last_frame",
    "scenes[0].seed": "seed",
    "scenes[0].negative_prompt": "negative_prompt",
    "clip_seconds": "seconds",
    "references": "image_url",
}
"""For an order of a single clip: our field → the field its author wrote."""

OF_BRAND = "brand."
"""What is wrong with something that a brand lent is said of the brand."""
_SCENE_FIELD = re.compile(r"scenes\[(\d+)\]\.(\w+)", re.ASCII)


_NAMES = re.compile(rf"\b({'|'.join(name for name in FIELD_LABELS if '_' in name)})\b")
"""REST names that a sentence mentions and no other text would."""


def row_label(field: str) -> str:
    """`scenes[2].seconds` → `Scene 3 Seconds`, `clip_seconds` → `Clip Seconds`; an unknown name stays as it is."""
    if field.startswith(OF_BRAND):
        return f"Brand {BRAND_LABELS[field.removeprefix(OF_BRAND)]}"
    found = _SCENE_FIELD.fullmatch(field)
    if found is None:
        return FIELD_LABELS.get(field, field)
    name = found.group(2)
    return f"Scene {int(found.group(1)) + 1} {SCENE_LABELS.get(name, name)}"


def for_row(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problems under the names a marketer sees in the base."""
    return tuple(
        Problem(row_label(problem.field), _NAMES.sub(lambda name: FIELD_LABELS[name.group()], problem.message))
        for problem in problems
    )


def for_scene(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problems under the names of a request for one scene that is made again."""

    def own(field: str) -> str:
        found = _SCENE_FIELD.fullmatch(field)
        return found.group(2) if found else CLIP_FIELDS["clip_seconds"] if field == "clip_seconds" else field

    return tuple(Problem(own(problem.field), problem.message) for problem in problems)


def for_scene_row(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problems under the names of the row of `Scenes` from which one scene is made again."""
    own = for_scene(problems)
    return tuple(
        Problem(SCENE_LABELS.get(one.field, said.field), said.message)
        for one, said in zip(own, for_row(own), strict=True)
    )


def for_clip(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same problems under the names of a request for one clip."""
    return tuple(Problem(CLIP_FIELDS.get(problem.field, problem.field), problem.message) for problem in problems)
