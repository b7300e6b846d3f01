"""What is a mark of a list, and what only looks like one: a prompt is bought as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.orders.list_marks import read_list, scene_lines, unnumbered
from pipelines.ports import Brief
from pipelines.writers import DeterministicWriter
from pipelines.writers.breakdown import break_down
from pipelines.writers.language import languages, phrases_for
from tests.stages.stage_fixtures import StageHarness

TEXTS = [
    "Wide shot – a harbour at dawn",
    "Wide shot - a harbour at dawn",
    "Close-up: hands — then a face",
    "24. Dezember – Heiligabend am Hafen",
    "1. Advent: eine Kerze brennt",
    "24.12. Heiligabend",
    "3. Etage, ein Büro",
    "1. FC Köln feiert",
    "7. Sinfonie, ein Orchester spielt",
    "INT. HOUSE – NIGHT",
    "EXT. BEACH - DAY",
    "3D animation of a fox",
    "2 people walk – slowly",
    "16:9 cinema look",
    "12:30 A man eats lunch",
    "90s disco",
    "1950. A street in Rome",
    "4K – extreme close-up",
    "1.5 litres – poured into a glass",
    "- 5 °C outside",
    "-5 °C outside",
    "Scene-stealing cat",
    "Shot on 35mm – grainy",
    "Szene aus dem Leben – ein Hafen",
    "Escena final - el puerto",
    "Scène de rue – Paris",
    "Cena final – o porto",
    "Scena finale – il porto",
    "Сцена у моря – рассвет",
    "Take 2 of the same dog",
    "Take 5. The band plays Brubeck",
    "Plan 9 – from outer space",
    "A fox finds a lantern (shot 1) in the snow",
    "— Bonjour, dit-elle",
    "**A bold** move",
    "#1 hit song",
    "I. Newton walks under a tree",
    "10. A fox",
    "1 – a lonely number",
]
LISTS = [
    "1. First\n2. Second",
    "1) First\n2) Second",
    "(1) First\n(2) Second",
    "1.First\n2.Second",
    "01 – First\n02 – Second",
    "1: First\n2: Second",
    "#1 First\n#2 Second",
    "1️⃣ First\n2️⃣ Second",
    "① First\n② Second",
    "1、First\n2、Second",
    "1. First\n1. Second",
    "a) First\nb) Second",
    "I. First\nII. Second",
    "• First\n• Second",
    "- First\n- Second",
    "– First\n– Second",
    "* First\n* Second",
    "- [ ] First\n- [x] Second",
    "- 1. First\n- 2. Second",
    "Shot 1: First\nScene 2 - Second",
    "SHOT 1 – First\nSHOT 2 – Second",
    "Take 1: First\nTake 2: Second",
    "Scene 1 of 2: First\nScene 2 of 2: Second",
    "**Scene 1:** First\n**Scene 2:** Second",
    "### Scene 1\nFirst\n### Scene 2\nSecond",
    "Scene 1:\nFirst\n\nScene 2:\nSecond",
    "0:00-0:04 First\n0:04-0:08 Second",
    "0–5s: First\n5–10s: Second",
    "Szene 1: First\nEinstellung 2: Second",
    "Escena 1.- First\nToma 2: Second",
    "Scène 1 : First\nPlan 2 : Second",
    "Cena 1: First\nPlano 2: Second",
    "Scena 1: First\nInquadratura 2: Second",
    "Сцена 1: First\nКадр 2: Second",
    "シーン1：First\nシーン2：Second",
    "First\n---\nSecond",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_only_looks_like_a_mark_is_text(text: str) -> None:
    assert scene_lines(text) == [text]
    assert scene_lines(f"{text}\nA dog runs") == [text, "A dog runs"]


@pytest.mark.parametrize("text", LISTS)
def test_the_marks_of_a_list_are_no_part_of_its_scenes(text: str) -> None:
    assert scene_lines(text) == ["First", "Second"]


@pytest.mark.parametrize(
    "lines",
    [
        ["24. Dezember, die Kirche", "25. Dezember, die Gans", "26. Dezember, das Sofa"],
        ["1. Advent, eine Kerze", "2. Advent, zwei Kerzen", "3. Advent, drei Kerzen"],
        ["90. Minute: Tor", "91. Minute: Jubel"],
        ["12:30 A man eats", "13:00 He sleeps"],
        ["1990. A car", "1991. Another car"],
        ["- 5 °C outside", "- 10 °C at night"],
        ["2 people – a dance", "3 people – a song"],
    ],
)
def test_dates_times_and_counts_that_follow_one_another_are_no_list(lines: list[str]) -> None:
    assert scene_lines("\n".join(lines)) == lines


def test_items_of_a_list_may_begin_with_what_looks_like_an_ordinal() -> None:
    assert scene_lines("1. Advent market\n2. Singers\n3. Snow") == ["Advent market", "Singers", "Snow"]
    assert scene_lines("- 5 friends meet\n- They dance") == ["5 friends meet", "They dance"]


words = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60)


@settings(max_examples=300, deadline=None)
@given(rests=st.lists(words, min_size=1, max_size=6))
def test_any_text_without_a_leading_mark_comes_through_unchanged(rests: list[str]) -> None:
    texts = [f"Fox {rest}".strip() for rest in rests]
    assert scene_lines("\n".join(texts)) == texts
    assert unnumbered(texts) == texts


@settings(max_examples=300, deadline=None)
@given(
    rests=st.lists(words.filter(str.strip), min_size=2, max_size=9),
    mark=st.sampled_from(["{}. ", "{}) ", "- ", "Shot {}: "]),
)
def test_what_follows_a_mark_comes_through_unchanged(rests: list[str], mark: str) -> None:
    texts = [f"Fox {rest}".strip() for rest in rests]
    marked = [f"{mark.format(number)}{text}" for number, text in enumerate(texts, start=1)]
    assert scene_lines("\n".join(marked)) == texts


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=12))
def test_every_line_gives_one_line_whatever_stands_in_it(lines: list[str]) -> None:
    found = read_list(lines)
    assert len(found) == len(lines)
    for line, text in zip(found, lines, strict=True):
        assert text.strip().endswith(line.text) or "**" in text or "__" in text
        assert line.marked or line.text == text.strip()


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_a_row_buys_its_prompts_as_they_were_written(tmp_path: Path, text: str) -> None:
    harness = StageHarness.build(tmp_path)
    harness.film(Prompt=f"{text}\nA dog runs")
    assert harness.bought == [text, "A dog runs"]


def test_a_row_buys_the_scenes_of_a_list_without_its_marks(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.film(Prompt="Shot 1: Wide shot – a harbour\nScene 2 - A dog\n3. A cat\n• A cow")
    assert harness.bought == ["Wide shot – a harbour", "A dog", "A cat", "A cow"]


# ---------------------------------------------------------------- the writer that works without a model


def beats(master: str, scenes: int = 2) -> list[str]:
    return [beat.text for beat in break_down(master, phrases_for(master), scenes).beats]


def test_marks_inside_of_a_sentence_do_not_divide_it() -> None:
    master = "A fox finds a lantern (shot 1) in the snow. It walks home (shot 2) at dawn."
    assert beats(master) == ["A fox finds a lantern (shot 1) in the snow.", "It walks home (shot 2) at dawn."]
    assert beats("In shot 1: a fox wakes. As in shot 2: it sleeps.") == [
        "In shot 1: a fox wakes.",
        "As in shot 2: it sleeps.",
    ]
    assert beats("A fox (1) meets a dog (2) at night. They part at dawn.")[0] == "A fox (1) meets a dog (2) at night."


@pytest.mark.parametrize("code", sorted(languages()))
def test_marks_are_read_alike_in_every_language(code: str) -> None:
    words = {"en": "Scene", "de": "Szene", "es": "Escena", "fr": "Scène", "pt": "Cena", "it": "Scena", "ru": "Сцена"}
    word = words.get(code, "Shot")
    assert beats(f"{word} 1: Lumen. {word} 2: Nox.") == ["Lumen.", "Nox."]
    assert beats(f"Lumen ({word} 1) lucet. Nox ({word} 2) venit.") == [
        f"Lumen ({word} 1) lucet.",
        f"Nox ({word} 2) venit.",
    ]


@pytest.mark.parametrize(
    "master", ["Am 24. Dezember schneit es. Ein Hund bellt.", "INT. HOUSE – NIGHT, a man sits down. He sleeps."]
)
def test_a_date_or_a_slug_line_stays_in_one_piece(master: str) -> None:
    assert " ".join(beats(master)) == master
    assert beats(master)[1] in master.split(". ", 1)[1]


@pytest.mark.parametrize(
    "master",
    [
        "Scene 1 (0-4s): Lumen. Scene 2 (4-8s): Nox.",
        "[Scene 1] Lumen. [Scene 2] Nox.",
        "シーン1：Lumen. シーン2：Nox.",
        "第1场：Lumen. 第2场：Nox.",
    ],
)
def test_marks_in_one_paragraph_are_read_as_those_on_lines_are(master: str) -> None:
    assert beats(master) == ["Lumen.", "Nox."]


def test_a_shortened_word_before_its_number_ends_no_sentence() -> None:
    assert beats("At No. 1. a fox lives. At No. 2. a bear lives.") == [
        "At No. 1. a fox lives.",
        "At No. 2. a bear lives.",
    ]


def test_a_dash_is_kept_and_a_minus_is_no_dash() -> None:
    assert beats("Wide shot – a harbour at dawn. A dog runs past.")[0] == "Wide shot – a harbour at dawn."
    brief = Brief(master_prompt="-5 °C in Oslo. A dog runs.", scenes=2, seconds=4, aspect_ratio="16:9")
    assert ". -5 °C in Oslo." in DeterministicWriter().write(brief).scenes[0].prompt


# ---------------------------------------------------------------- a language model's scenes


def test_numbers_before_all_scenes_of_a_model_are_no_part_of_them() -> None:
    assert unnumbered(["Scene 1: A fox.\nIt runs.", "Scene 2: A dog."]) == ["A fox.\nIt runs.", "A dog."]
    assert unnumbered(["**Scene 1**\nA fox", "**Scene 2**\nA dog"]) == ["A fox", "A dog"]
    kept = ["24. Dezember, die Kirche", "25. Dezember, die Gans"]
    assert unnumbered(kept) == kept
    assert unnumbered(["A fox", "2) A dog"]) == ["A fox", "2) A dog"]
