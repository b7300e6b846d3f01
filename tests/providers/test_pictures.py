"""Every picture is brought within the pixels that a model takes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pipelines.providers.pictures import PictureLimits

EDGES = (1, 2, 63, 255, 256, 300, 301, 719, 2398, 2400, 5999, 6000, 12_000, 30_001)


@pytest.mark.parametrize(
    "told", [{"shortest": 255, "widest": 2.5}, {"shortest": 300, "longest": 6000, "widest": 2.5}, {"longest": 1000}]
)
def test_the_frame_round_a_picture_is_allowed_stands_as_it_does_and_leaves_nothing_out(told: dict[str, Any]) -> None:
    limits = PictureLimits.of({"pictures": told})
    for width, height in itertools.product(EDGES, EDGES):
        across, down = limits.around(width, height)
        assert limits.allow(across, down), (width, height, across, down)
        assert (across - down) * (width - height) >= 0


@pytest.mark.parametrize("told", [{}, {"pictures": 5}, {"pictures": {"shortest": "x", "widest": 0, "tall": 3}}])
def test_what_a_card_says_in_no_number_is_no_limit(told: dict[str, Any]) -> None:
    assert PictureLimits.of(told) == PictureLimits()
