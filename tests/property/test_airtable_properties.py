"""What holds for every row, every number and every clock."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.airtable.limiter import CAPACITY, WINDOW_S, brought_to, wait_s
from pipelines.airtable.rows.fields import airtable_row, airtable_scene, airtable_settings, row_to_order
from pipelines.airtable.schema import TABLES
from pipelines.database.codec import decode, encode
from pipelines.domain.airtable.fields import VideoField
from pipelines.domain.airtable.values import difference
from pipelines.domain.limits import AirtablePace
from pipelines.domain.orders.order import MAX_SCENES, Order

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just("recAAAAAAAAAAAAAA")
)
WORDS = st.sampled_from(
    ["state", "value", "isStale", "error", "specialValue", "name", "text", "url", "filename", "type", "id", "label"]
)
CELLS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=6,
)
VIDEO_ROWS = st.dictionaries(st.sampled_from(list(VideoField)), CELLS, max_size=8)
SCENE_ROWS = st.dictionaries(st.sampled_from([item.name for item in TABLES[1].fields]), CELLS, max_size=6)
SETTINGS_ROWS = st.dictionaries(st.sampled_from([item.name for item in TABLES[3].fields]), CELLS, max_size=4)
NOW = 1_800_000_000.0
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
"""A busy machine proves nothing about a property."""


@unhurried
@given(VIDEO_ROWS)
def test_no_row_whatever_stands_in_it_raises_and_every_order_is_within_its_limits(fields: dict[str, Any]) -> None:
    order, problems = row_to_order(fields)
    assert 1 <= order.scene_count <= MAX_SCENES
    assert len(order.scenes) <= MAX_SCENES
    assert order.max_cost_micro is None or order.max_cost_micro >= 0
    assert order.clip_seconds is None or (math.isfinite(order.clip_seconds) and order.clip_seconds > 0)
    assert all(problem.field and problem.message.endswith(".") for problem in problems)
    assert decode(Order, encode(Order, order)) == order
    airtable_row("recA", fields)


@unhurried
@given(SCENE_ROWS, SETTINGS_ROWS)
def test_no_scene_and_no_settings_row_raises(scene: dict[str, Any], switches: dict[str, Any]) -> None:
    airtable_scene("recS", scene)
    budget = airtable_settings("recB", switches).day_budget_micro
    assert budget is None or budget >= 0


@unhurried
@given(st.decimals(min_value=0, max_value=9999, places=2))
def test_an_amount_survives_being_written_as_text(amount: Any) -> None:
    for text in (f"${amount}", f"{amount} USD", f"{amount:,}"):
        order, problems = row_to_order({"Master Prompt": "x", "Max Cost": text})
        assert (order.max_cost_micro, problems) == (int(amount * 1_000_000), ())


TIMES = st.floats(min_value=NOW - 500, max_value=NOW + 500)


@unhurried
@given(
    flights=st.dictionaries(st.text(min_size=1, max_size=3), TIMES, max_size=6),
    landed=st.lists(TIMES, max_size=6),
    not_before=TIMES,
    cool_s=st.floats(min_value=0, max_value=900),
)
def test_a_turn_is_free_only_while_fewer_than_the_capacity_could_still_count(
    flights: dict[str, float], landed: list[float], not_before: float, cool_s: float
) -> None:
    pace = AirtablePace(id="x", not_before=not_before, flights=flights, landed=tuple(landed), cool_s=cool_s)
    wait = wait_s(brought_to(NOW, pace)[0], NOW)
    recent = sum(at > NOW - WINDOW_S for at in landed)
    young = sum(at > NOW - 60 for at in flights.values())
    assert wait >= 0
    assert wait <= max(WINDOW_S, cool_s) + 0.1, "no clock can make anybody wait longer than the longest pause"
    if wait == 0:
        assert recent + young < CAPACITY


@unhurried
@given(st.dictionaries(st.sampled_from(list(VideoField)), st.integers(0, 2), max_size=6))
def test_what_was_sent_is_no_difference(fields: dict[str, Any]) -> None:
    assert difference(fields, fields) == {}
    changed = difference(fields, {})
    assert changed in ({}, fields)
