"""What is translated of a film, and which answers may be shown."""

from __future__ import annotations

import pytest

from pipelines.domain.footage import Captions
from pipelines.domain.languages import LANGUAGES, tag_in
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.translation import TextLine, Translation, fault_of, scene_lines

ASKED = Translation(
    language="de",
    lines=(
        TextLine(text="Only $1,499.50 until 24 May with Lumen", most=60),
        TextLine(text="See it now today", most=40),
    ),
    keep=("Lumen",),
    banned=("billig",),
)
GOOD = ("Nur 1.499,50 $ bis 24. Mai mit Lumen", "Schau es dir heute an")


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (GOOD, None),
        (("Nur ١٬٤٩٩٫٥٠ $ bis ٢٤ Mai mit Lumen", GOOD[1]), None),
        (GOOD[:1], "has 1 lines instead of 2"),
        ((GOOD[0], " "), "says nothing in line 2"),
        ((GOOD[0], "x" * 41), "has 41 characters, and at most 40 fit, in line 2"),
        (("Nur 1.499 $ bis 24. Mai mit Lumen", GOOD[1]), "has lost the number 149950 in line 1"),
        (
            ("Nur 1.499,50 $ bis 24. Mai mit Licht", GOOD[1]),
            "has changed “Lumen”, which Keep Words protects, in line 1",
        ),
        ((GOOD[0], "Heute BILLIG"), "says “billig”, which Banned Words forbids, in line 2"),
        (tuple(line.text for line in ASKED.lines), "is not translated into German"),
        (("Только 1.499,50 $ до 24 мая с Lumen", "Смотри сегодня"), "is not written in German"),
    ],
)
def test_an_answer_that_may_not_be_shown_is_told_why(found: tuple[str, ...], fault: str | None) -> None:
    assert fault_of(ASKED, found) == fault


def test_only_what_is_read_or_heard_is_translated() -> None:
    scene = SceneOrder(prompt="A fox", caption="Look", narration="A fox looks.", seconds=4.0)
    said = {
        (captions, voiceover): [line.text for line in _lines(captions, scene, voiceover=voiceover)]
        for captions in (Captions.NONE, Captions.BURNED)
        for voiceover in (False, True)
    }
    assert said == {
        (Captions.NONE, False): [],
        (Captions.NONE, True): ["A fox looks."],
        (Captions.BURNED, False): ["Look"],
        (Captions.BURNED, True): ["Look", "A fox looks."],
    }
    # A caption is said where there is no narration, and what has no words is no language.
    bare = SceneOrder(prompt="A fox", caption="Look", seconds=4.0)
    assert [line.text for line in _lines(Captions.NONE, bare, voiceover=True)] == ["Look"]
    assert _lines(Captions.BURNED, SceneOrder(prompt="A fox", caption="24 / 7", seconds=4.0), voiceover=False) == ()


def _lines(captions: Captions, scene: SceneOrder, *, voiceover: bool) -> tuple[TextLine, ...]:
    order = Order(master_prompt="A fox", captions=captions, voiceover=voiceover)
    return scene_lines(order, _Timed(scene), "de")


class _Timed:
    def __init__(self, scene: SceneOrder) -> None:
        self.caption, self.narration, self.seconds = scene.caption, scene.narration, scene.seconds or 0.0


def test_languages_are_named_as_people_write_them() -> None:
    assert [tag_in(text) for text in ("German", "german (DE)", "pt_br", "zh-hans", "Klingon")] == [
        "de", "de", "pt-br", "zh-hans", "klingon",
    ]  # fmt: skip
    assert all(len(language.iso) == 3 for language in LANGUAGES.values())
