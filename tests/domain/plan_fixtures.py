"""Models, orders and their plans for the tests of planning."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import InvalidOrder
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.make_plan import make_plan
from pipelines.domain.planning.plan import Plan

TODAY = date(2026, 11, 20)
STEPPED = CatalogueModel(
    id="acme/stepped",
    label="4, 8 or 12 seconds, two shapes, one resolution",
    durations=(4, 8, 12),
    sizes={"16:9 720p": "1280x720", "9:16 720p": "720x1280"},
    prices={"720p": 100_000},
    image_to_video=True,
    max_prompt=100,
)
RANGED = CatalogueModel(
    id="acme/ranged",
    label="3 to 15 seconds",
    min_seconds=3,
    max_seconds=15,
    default_seconds=5,
    sizes={"16:9 480p": "864x496", "16:9 1080p": "1920x1080", "9:16 1080p": "1080x1920", "16:9 4k": "3840x2160"},
    prices={"480p": 10_000, "1080p": 104_300},
    clip_prices={"1080p": 20_000},
    max_references=2,
    image_to_video=True,
)
DRAFT = CatalogueModel(
    id="local/draft", label="free", min_seconds=0.5, step_seconds=0.1, free=True, sizes={"16:9 720p": "1280x720"}
)
CARDS = {card.id: card for card in (STEPPED, RANGED, DRAFT)}


def plan_for(order: Order, *cards: CatalogueModel, **options: Any) -> Plan:
    catalogue = {**CARDS, **{card.id: card for card in cards}}
    return make_plan(order, catalogue, **{"default_model": "acme/stepped", "today": TODAY, **options})


def order(**changes: Any) -> Order:
    return replace(Order(master_prompt="A day at the sea"), **changes)


def problems_of(asked: Order, *cards: CatalogueModel, **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidOrder) as caught:
        plan_for(asked, *cards, **options)
    return {problem.field: problem.message for problem in caught.value.problems}
