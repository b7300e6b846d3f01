"""Banned words however they are written, colours that can be read, and what a brand lends."""

from __future__ import annotations

from itertools import product

import pytest

from pipelines.domain.brands.banned_words import banned_in, listed_words
from pipelines.domain.brands.contrast import BLACK, LEAST, LEAST_LARGE, WHITE, contrast, on_footage, readable
from pipelines.domain.footage import Captions, Colour, Corner
from pipelines.domain.orders.brand import Brand, brand_problems, colour_of
from pipelines.domain.orders.inputs import hue_in
from pipelines.domain.orders.order import Order, with_brand

ORANGE = (0xFE, 0x51, 0x02)


@pytest.mark.parametrize(
    ("text", "banned", "hit"),
    [
        ("The CHEAPEST cheap shoe", "cheap", "cheap"),
        ("The cheapest shoe", "cheap", None),
        ("ｃｈｅａｐ, they said", "cheap", "cheap"),
        ("che\u200bap", "cheap", "cheap"),
        ("che\xadap", "cheap", "cheap"),
        ("Wir sind GROẞARTIG", "großartig", "großartig"),
        ("A risk‑free   offer", "risk-free offer", "risk-free offer"),
        ("Don’t wait", "don't", "don't"),
        ("日本で最高の品質", "最高", "最高"),
        ("Café cafe\u0301", "café", "café"),
        ("café", "cafe", None),
        ("दिलचस्प", "दिल", None),
        ("a_cheap_one", "cheap", None),
        ("#1 choice", "#1", "#1"),
        ("", "cheap", None),
    ],
)
def test_a_banned_word_is_found_however_it_is_written(text: str, banned: str, hit: str | None) -> None:
    assert banned_in(text, listed_words(banned)) == hit


def test_a_list_of_words_is_read_as_people_write_it() -> None:
    assert listed_words("cheap; free  trial,\n cheap\n\u200b\n") == ("cheap", "free trial")
    assert listed_words(None) == ()


def test_contrast_is_that_of_wcag() -> None:
    measured = [
        round(contrast(*pair), 2) for pair in [(WHITE, ORANGE), ((25, 25, 25), ORANGE), (WHITE, (0, 0x55, 255))]
    ]
    assert measured == [3.29, 5.35, 5.61]


def test_a_plate_is_darkened_only_as_far_as_light_words_need_it() -> None:
    ink, plate = readable(WHITE, ORANGE)
    assert ink == WHITE
    assert LEAST <= contrast(ink, plate) < LEAST + 0.2
    assert readable(WHITE, ORANGE, LEAST_LARGE) == (WHITE, ORANGE)


@pytest.mark.parametrize("ink", [None, WHITE, BLACK, (255, 212, 0), (40, 40, 90)])
def test_whatever_a_brand_chooses_can_be_read(ink: Colour | None) -> None:
    for red, green, blue in product((0, 90, 180, 255), (0, 118, 255), (0, 128, 255)):
        shown, behind, opacity = on_footage(ink, (red, green, blue))
        assert contrast(shown, behind) >= LEAST
        assert opacity == 255


def test_the_house_plate_becomes_solid_under_an_ink_that_needs_it() -> None:
    assert on_footage(None, None) == (WHITE, BLACK, 150)
    assert on_footage((220, 60, 60), None) == ((220, 60, 60), BLACK, 255)
    assert on_footage((60, 0, 0), None) == (WHITE, BLACK, 255)


@pytest.mark.parametrize(
    ("text", "hue"),
    [("fe5102", "#FE5102"), (" #F52 ", "#FF5522"), ("orange", None), ("#FE510", None), ("#FE5102FF", None)],
)
def test_a_colour_is_read_as_people_write_it(text: str, hue: str | None) -> None:
    assert hue_in(text) == hue
    assert (colour_of(hue) is None) == (hue is None)


def test_a_brand_lends_what_the_order_does_not_say() -> None:
    brand = Brand(
        logo="https://a.test/l.png",
        logo_position=Corner.TOP_LEFT,
        caption_style=Captions.BURNED,
        intro="Hello",
        outro="Bye",
        look="35 mm film",
        never_show="smoke",
    )
    order = with_brand(Order(title_card="Mine", style_notes="slow"), brand, ("title_card", "style_notes"))
    assert (order.logo, order.logo_position, order.captions) == (brand.logo, Corner.TOP_LEFT, Captions.BURNED)
    assert (order.title_card, order.end_card) == ("Mine", "Bye")
    assert order.style_notes == "slow\n35 mm film\nNever show: smoke"
    assert order.brand is not None
    assert (order.brand.lent, order.brand.logo) == (("logo", "logo_position", "captions", "end_card"), None)
    plain = with_brand(Order(), Brand(logo_position=Corner.TOP_LEFT), ())
    assert plain.logo_position is Corner.TOP_RIGHT, "a corner without a logo is no wish"


def test_what_is_wrong_with_a_brand_is_said_with_what_is_done_instead() -> None:
    dim, against = brand_problems(
        Brand(primary_colour="#FE5102", outro="Cheap!", banned_words="cheap", text_colour="#FFFFFF")
    )
    assert "#FFFFFF on #FE5102 have a contrast of 3.29" in dim
    assert against.startswith("Outro has “cheap”")
    assert brand_problems(Brand(primary_colour="#0055FF")) == ()
