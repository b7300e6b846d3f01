"""Scenes without a language model, through the port."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.planning.hooks import differing
from pipelines.ports import Brief, HookBrief, Script
from pipelines.settings import load_settings
from pipelines.writers import DeterministicWriter, WordListModerator, build_moderator, build_writer
from pipelines.writers.language import language_of, languages
from pipelines.writers.prices import Usage, price_of, prices

FOX = (
    "A red fox crosses a snowy forest at dawn. It finds an old lantern. "
    "The lantern glows, then fireflies rise. The fox sleeps beside it."
)
SPOKEN = {
    "en": "A fox walks through the snowy forest and then it finds an old lantern.",
    "de": "Ein Fuchs läuft durch den verschneiten Wald. Dann findet er eine alte Laterne.",
    "es": "Un zorro cruza el bosque nevado y luego encuentra un farol.",
    "fr": "Un renard traverse la forêt enneigée puis trouve une lanterne.",
    "pt": "Uma raposa atravessa a floresta com neve e encontra uma lanterna.",
    "it": "Una volpe attraversa il bosco innevato, poi trova una lanterna.",
    "ru": "Лиса идёт через снежный лес и затем находит фонарь.",
}


def brief(master_prompt: str, scenes: int = 4, **changes: Any) -> Brief:
    return replace(Brief(master_prompt=master_prompt, scenes=scenes, seconds=4.0, aspect_ratio="16:9"), **changes)


def write(master_prompt: str, scenes: int = 4, **wishes: Any) -> Script:
    return DeterministicWriter().write(brief(master_prompt, scenes, **wishes))


def prompts(master_prompt: str, scenes: int = 4, **wishes: Any) -> list[str]:
    return [scene.prompt for scene in write(master_prompt, scenes, **wishes).scenes]


def test_without_a_key_nobody_is_asked_and_nothing_costs(tmp_path: Path) -> None:
    found = load_settings({}, tmp_path)
    writer = build_writer(found)
    assert isinstance(writer, DeterministicWriter)
    assert isinstance(build_moderator(found), WordListModerator)
    brief = Brief(master_prompt=FOX, scenes=4, seconds=4, aspect_ratio="16:9")
    assert writer.quote_micro(brief) == writer.write(brief).cost_micro == 0


def test_quotes_of_either_writer_need_no_sdk() -> None:
    program = (
        "import sys; from pathlib import Path; from pipelines.settings import load_settings;"
        "from pipelines.writers import build_writer, build_moderator; from pipelines.ports import Brief;"
        "found = load_settings({'OPENAI_API_KEY': 'sk-x'}, Path(sys.argv[1])); build_moderator(found);"
        "quote = build_writer(found).quote_micro(Brief(master_prompt='x', scenes=4, seconds=4, aspect_ratio='16:9'));"
        "assert quote > 0; assert 'openai' not in sys.modules, 'openai was imported'"
    )
    here = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(here / "tests")], check=True, cwd=here)


def test_each_sentence_becomes_a_scene_in_order_with_the_subject_in_every_one() -> None:
    found = prompts(FOX)
    for scene, part in zip(found, ("red fox crosses", "finds an old", "fireflies rise", "sleeps beside"), strict=True):
        assert part in scene
        assert "red fox crosses a snowy forest" in scene


def test_the_camera_opens_wide_closes_wide_and_changes_in_between() -> None:
    found = prompts(FOX, 8)
    assert found[0].startswith("Wide establishing shot")
    assert found[-1].startswith("Wide closing shot")
    cameras = [scene.split(".")[0] for scene in found]
    assert len(set(cameras)) == 8


def test_the_light_of_the_prompt_holds_in_every_scene_that_names_no_other() -> None:
    found = prompts("A fox crosses a forest at dawn. It runs. At night it sleeps.", 3)
    assert ["early morning light" in scene for scene in found] == [True, True, False]
    assert "night light" in found[2]


def test_fifty_scenes_from_one_sentence_all_differ() -> None:
    assert len(set(prompts("A lighthouse in a storm", 50))) == 50


@pytest.mark.parametrize(
    "listed",
    [
        "1. A boy opens a box\n2. Light comes out\n3. He smiles",
        "- A boy opens a box\n- Light comes out\n- He smiles",
        "Scene 1: A boy opens a box. Scene 2: Light comes out. Scene 3: He smiles.",
        "**Scene 1**\nA boy opens a box\n\n**Scene 2**\nLight comes out\n\n**Scene 3**\nHe smiles",
        "0:00-0:04 A boy opens a box\n0:04-0:08 Light comes out\n0:08-0:12 He smiles",
        "1) A boy opens a box 2) Light comes out 3) He smiles",
    ],
)
def test_a_list_of_shots_is_followed_shot_by_shot_without_its_marks(listed: str) -> None:
    found = prompts(listed, 3)
    for scene, part in zip(found, ("A boy opens a box.", "Light comes out.", "He smiles."), strict=True):
        assert f". {part}" in scene
    assert not re.search(r"\d|\*\*", " ".join(found))


def test_what_stands_round_a_list_holds_for_every_scene() -> None:
    found = prompts("A cafe with a barista called Mia.\n\n1. Beans fall\n2. Mia smiles\n\nMood: warm and calm", 2)
    for scene in found:
        assert "A cafe with a barista called Mia" in scene
        assert "Mood: warm and calm" in scene


def test_a_list_of_another_length_is_joined_or_split_and_the_row_says_so() -> None:
    joined = write("1. One dog\n2. Two dogs\n3. Three dogs", 2)
    assert "One dog" in joined.scenes[0].prompt
    assert "Two dogs Three dogs" in joined.scenes[1].prompt
    assert joined.notes == ("The master prompt lists 3 shots; they were joined into 2 scenes.",)
    assert "were split" not in " ".join(joined.notes)
    assert "some were split" in write("1. One dog\n2. Two dogs", 3).notes[0]


def test_a_request_for_a_video_becomes_what_the_camera_sees() -> None:
    scene = prompts("Please create a 20-second cinematic video about a barista in the rain", 1)[0]
    assert ". A barista in the rain." in scene
    assert "video" not in scene


@pytest.mark.parametrize(
    ("master", "where"),
    [
        ("One fox runs. It stops [[slow]] here. It sleeps.", [False, True, False]),
        ("[[slow]] One fox runs. It stops. It sleeps.", [True, False, False]),
        ("One fox runs. It stops. [[slow]] It sleeps.", [False, True, False]),
        ("One fox runs. It stops. It sleeps. [[slow]]", [False, False, True]),
        ("One fox runs [[slow]]", [True, False, False]),
        ("1. One fox runs\n2. It stops [[slow]]\n3. It sleeps", [False, True, False]),
        ("A forest [[slow]].\n\n1. One fox runs\n2. It stops\n3. It sleeps", [True, False, False]),
        ("[[slow]]", [True, False, False]),
    ],
)
def test_a_directive_goes_to_the_scene_of_its_sentence_and_nowhere_else(master: str, where: list[bool]) -> None:
    script = write(master, 3)
    assert ["[[slow]]" in scene.prompt for scene in script.scenes] == where
    assert not any("[[" in (scene.caption or "") for scene in script.scenes)


def test_every_directive_of_joined_sentences_stays() -> None:
    scene = prompts("A fox [[a]] runs. It stops [[b:c]]. It sleeps. [[wait. here]]", 1)[0]
    assert all(mark in scene for mark in ("[[a]]", "[[b:c]]", "[[wait. here]]"))


@pytest.mark.parametrize("code", SPOKEN)
def test_scenes_are_written_in_the_language_of_the_prompt(code: str) -> None:
    assert language_of(SPOKEN[code]) == code
    words = languages()[code]
    found = prompts(SPOKEN[code], 3, style_notes="35 mm", aspect_ratio="9:16")
    assert found[0].startswith(words["establishing"])
    assert found[-1].startswith(words["closing"])
    for scene in found:
        assert words["same"] in scene
        assert words["vertical"] in scene
        assert words["style"].format(notes="35 mm") in scene


@pytest.mark.parametrize(
    "foreign", ["雪の森を歩く狐。ランタンを見つける。", "Lis w śnieżnym lesie znajduje latarnię.", "Xyzzy"]
)
def test_other_languages_get_notation_and_no_foreign_words(foreign: str) -> None:
    known = {"EWS", "MS", "MWS", "MLS", "OTS", "CU", "ECU", "INS", "MCU", "LA", "HA", "FS", "WS"}
    for scene in prompts(foreign, 4):
        left = set(re.findall(r"[^\W\d_]{2,}", scene)) - known
        assert all(word in foreign for word in left)


def test_captions_are_short_and_end_at_a_word() -> None:
    caption = write("A very old fisherman mends his nets in front of a small white house by the harbour.", 1).scenes[0]
    assert caption.caption == "A very old fisherman mends his nets in front of a small…"


def test_style_notes_are_in_every_scene() -> None:
    assert all(
        "Style: pastel colours, no text." in scene for scene in prompts(FOX, style_notes="pastel\ncolours, no text")
    )


def test_a_prompt_longer_than_the_model_takes_is_cut_at_a_sentence_and_the_row_says_so() -> None:
    long = " ".join(f"The fox walks past tree number {number}." for number in range(200))
    long += " [[keep]]"
    script = write(long, 2, max_prompt=500)
    for scene in script.scenes:
        assert len(scene.prompt) <= 500
        assert "The fox walks" in scene.prompt
    assert script.scenes[1].prompt.endswith("[[keep]]")
    assert script.notes == ("Shortened to the 500 characters that the model takes: scene 1, 2.",)


@settings(max_examples=150, deadline=None)
@given(
    master=st.text(min_size=1, max_size=300)
    | st.lists(
        st.sampled_from(["1. ", "- ", "Scene 2: ", "a fox", "[[slow]]", "[[", "]]", ". ", "\n", "Style: ", "。", "; "]),
        min_size=1,
        max_size=30,
    ).map("".join),
    scenes=st.integers(1, 50),
    max_prompt=st.integers(30, 4000),
    style=st.none() | st.text(max_size=80),
)
def test_whatever_the_brief_the_script_keeps_its_bounds(
    master: str, scenes: int, max_prompt: int, style: str | None
) -> None:
    """As many scenes as asked, none empty or too long, captions short, and the same again the second time."""
    script = write(master, scenes, max_prompt=max_prompt, style_notes=style)
    assert len(script.scenes) == scenes
    for scene in script.scenes:
        assert 0 < len(scene.prompt) <= max_prompt
        assert scene.prompt.strip()
        assert scene.caption is None or 0 < len(scene.caption) <= 60
    assert write(master, scenes, max_prompt=max_prompt, style_notes=style) == script


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(st.sampled_from(["A fox runs.", "It stops", "- ", "\n", " ", "[[a]]", "[[b]]"]), max_size=20))
def test_directives_are_neither_lost_nor_doubled(pieces: list[str]) -> None:
    master = f"A fox. {''.join(pieces)}"
    written = " ".join(prompts(master, 4))
    for mark in ("[[a]]", "[[b]]"):
        assert written.count(mark) == master.count(mark)


# ---------------------------------------------------------------- softening and culprits


@pytest.mark.parametrize(
    ("refused", "gone", "kept"),
    [
        ("A man with a gun in the rain, blood on his coat [[refuse]]", ("gun", "blood", "[["), "in the rain"),
        ("Ein Mann mit einem Messer im Wald [[flag]]", ("Messer", "[["), "im Wald"),
        ("Mickey Mouse drinks a Pepsi on the beach", ("Mickey", "Pepsi"), "on the beach"),
        ("Una mujer desnuda en la playa con un perro", ("desnuda",), "en la playa"),
    ],
)
def test_softening_takes_out_the_usual_culprits_and_directives(refused: str, gone: tuple[str, ...], kept: str) -> None:
    script = DeterministicWriter().soften(refused, "violence")
    (scene,) = script.scenes
    assert kept in scene.prompt
    assert not any(word in scene.prompt for word in gone)
    assert scene.prompt.endswith(languages()[language_of(refused)]["tasteful"])
    assert script.cost_micro == 0


def test_a_softened_prompt_still_fits_its_model() -> None:
    long = "A fox runs through the snow. " * 200
    assert len(DeterministicWriter().soften(long, "x").scenes[0].prompt) <= len(long)


def test_words_of_one_language_are_innocent_in_another() -> None:
    assert "sang" in DeterministicWriter().soften("The woman sang by the river in the morning", "x").scenes[0].prompt


def test_word_lists_name_the_subjects_of_a_prompt_or_nothing() -> None:
    moderator = WordListModerator()
    assert moderator.culprit("A man with a gun fights Batman in the street", ()) == (
        "the prompt (violence, weapons, a brand or a protected character)"
    )
    assert moderator.culprit("A fox in the snow", ()) is None


# ---------------------------------------------------------------- prices


def test_an_unknown_model_costs_as_much_as_the_dearest_known_one() -> None:
    usage = Usage(input=1000, output=1000)
    unknown = price_of("somebody/new-model")
    assert not unknown.known
    assert unknown.cost_micro(usage) == max(price.cost_micro(usage) for price in prices().values())


def test_cached_input_is_cheaper_and_a_snapshot_costs_what_its_model_costs() -> None:
    price = price_of("gpt-6-luna-2026-09-01")
    assert price.known
    assert price.cost_micro(Usage(input=10_000, output=1000)) == 1500
    assert price.cost_micro(Usage(input=10_000, cached=10_000, output=1000)) == 600
    assert price.cost_micro(Usage(input=0, output=0)) == 1


def test_what_happens_is_said_in_as_many_words_as_fit() -> None:
    story = "A red fox crosses a snowy forest at night. It finds a lantern. It sleeps."
    brief = Brief(master_prompt=story, scenes=3, seconds=4.0, aspect_ratio="16:9")
    said = DeterministicWriter().write(replace(brief, narration_words=5)).scenes
    assert [len((scene.narration or "").split()) <= 5 for scene in said] == [True] * 3
    assert said[1].narration == "It finds a lantern."
    assert [scene.narration for scene in DeterministicWriter().write(brief).scenes] == [None] * 3


def test_hooks_without_a_model_are_the_film_s_other_scenes_with_another_camera() -> None:
    film = write(FOX, 4).scenes
    asked = HookBrief(brief=brief(FOX), scenes=film, count=3)
    found = DeterministicWriter().write_hooks(asked).scenes
    assert len(differing(film, (), found)) == 3
    assert [scene.caption for scene in found] == [scene.caption for scene in film[:0:-1]]
    assert not {scene.prompt for scene in found} & {scene.prompt for scene in film}
    assert DeterministicWriter().write_hooks(replace(asked, scenes=film[:1])).scenes == ()
    assert DeterministicWriter().quote_hooks_micro(asked) == 0
