"""Films in other languages: from the same clips, with words that are bought once, and no reason for no film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import (
    Ambiguous,
    InvalidOrder,
    NotConfigured,
    ProviderFailed,
    ReelgridError,
    Refused,
    Unavailable,
)
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Purchase, Run
from pipelines.stages.decisions import regenerate
from pipelines.stages.films import equal_films
from pipelines.stages.orders import plan_run
from pipelines.testing.fakes import ScriptedSpeech, translated
from pipelines.writers import DeterministicWriter
from tests.stages.stage_fixtures import STOPPED, StageHarness

FILM: dict[str, Any] = {"Master Prompt": "A fox and a lantern", "Scene Count": 2, "Captions": "Sidecar"}
SPOKEN = {**FILM, "Voiceover": True, "Voice": "acme/anna"}


@pytest.fixture
def house(tmp_path: Path) -> StageHarness:
    house = StageHarness.build(tmp_path)
    house.writer.cost_micro = 4_000
    return house


def films(house: StageHarness, run: Run) -> list[tuple[str, str, str]]:
    return [(cut.language, cut.hook, cut.format) for cut in house.cuts(run)]


def translations(house: StageHarness) -> list[Purchase]:
    with house.services.store.read() as tx:
        return tx.purchases.find(kind="translation", order="created_at")


def lines_said(house: StageHarness) -> list[tuple[str, str]]:
    with house.services.store.read() as tx:
        return sorted((one.request.language, one.request.text) for one in tx.purchases.find(kind="speech"))


def spent(house: StageHarness, memo: str) -> int:
    with house.services.store.read() as tx:
        return sum(entry.amount for entry in tx.ledger.find(account="spent", memo=memo))


def test_each_language_has_its_own_words_and_all_have_the_same_clips(house: StageHarness) -> None:
    record_id, run = house.film(Title="Fox", **FILM, **{"Languages": ["en", "de", "ar"], "Title Card": "Look 24"})
    assert run.status is RunStatus.DONE, run.error
    assert films(house, run) == [("en", "", "16:9"), ("de", "", "16:9"), ("ar", "", "16:9")]
    assert len(house.bought) == 2
    assert [cut.filename for cut in house.cuts(run)] == [
        "fox-r1-16x9-en.mp4",
        "fox-r1-16x9-de.mp4",
        "fox-r1-16x9-ar.mp4",
    ]
    shown = {plan.language: plan for plan in house.editor.films}
    assert shown["en"].captions == (None, "Shot 1", "Shot 2")
    assert shown["ar"].captions == (None, translated("Shot 1", "ar"), translated("Shot 2", "ar"))
    assert shown["en"].pieces[1:] == shown["de"].pieces[1:] == shown["ar"].pieces[1:]
    assert len({plan.pieces[0] for plan in shown.values()}) == 3
    lines = house.cells(record_id)["Variants"].splitlines()
    assert [line.split(" · ")[0] for line in lines] == ["English (en)", "German (de)", "Arabic (ar)"]
    assert [line.split(" · ")[-1] for line in lines][1:] == ["$0.0040", "$0.0040"]
    (version,) = house.airtable.rows("Versions")
    assert version["Language"] == "en, de, ar"
    assert spent(house, "translation") == 8_000
    assert house.balanced()


def test_a_further_language_of_the_same_pictures_has_none_of_them_decoded_again(
    house: StageHarness, tmp_path: Path
) -> None:
    """Neither to look at it nor for its poster, contact sheet and preview, which are files of its own all the same. Of
    one with cards in its language those are, and a film in which a scene was made again has that one looked at.
    """
    _, run = house.film(**FILM, Languages=["en", "de", "ar"])
    cuts = house.cuts(run)
    assert (len(cuts), house.editor.decoded) == (3, [2, 0, 0])
    assert (len(house.editor.posters), house.editor.sheets) == (1, 1)
    stored = [key for cut in cuts for key in (cut.poster_key, cut.extras["contact_sheet"], cut.extras["preview"])]
    assert all(house.services.media.local_path(key or "") for key in stored)
    told = house.services.media.local_path(cuts[1].extras["provenance"])
    assert told is not None
    assert "stretches" not in told.read_text()
    assert not equal_films.copied(house.services, "cuts/no/such-poster.jpg", tmp_path / "poster.jpg")
    regenerate.regenerate(house.services, run.id, 2, {"prompt": "Another lantern"}, "test")
    house.until(run.id, *STOPPED)
    house.settle()
    assert house.editor.decoded[3:] == [1, 0, 0]
    house.film(**FILM, **{"Languages": ["en", "de"], "Title Card": "Look"})
    assert house.editor.decoded[6:] == [3, 1]
    assert (len(house.editor.posters), house.editor.sheets) == (4, 4)


def test_each_language_is_a_line_of_the_quote_with_room_for_a_second_question(house: StageHarness) -> None:
    order = Order(master_prompt="A fox", scene_count=2, title_card="Look")
    one = plan_run.plan_order(house.services, order)
    several = plan_run.plan_order(house.services, _with(order, "en", "de", "fr"))
    assert [line for line in several.lines if line not in one.lines] == [
        ("Translation into German (de)", 8_000),
        ("Translation into French (fr)", 8_000),
    ]
    assert several.quote_micro == one.quote_micro + 16_000
    assert (one.languages, several.languages) == (("",), ("en", "de", "fr"))


def _with(order: Order, *languages: str) -> Order:
    return replace(order, languages=languages)


def test_a_film_of_no_words_and_a_writer_that_cannot_translate_make_the_first_language_only(tmp_path: Path) -> None:
    house = StageHarness.build(tmp_path)
    silent = plan_run.plan_order(house.services, _with(Order(master_prompt="A fox", scene_count=2), "en", "de"))
    assert silent.languages == ("en",)
    assert "nothing is read or heard" in " ".join(silent.warnings)
    house = StageHarness.build(tmp_path / "offline", writer=DeterministicWriter())
    record_id, run = house.film(**FILM, Languages=["en", "de"])
    assert run.status is RunStatus.DONE
    assert [cut.language for cut in house.cuts(run)] == ["en"]
    assert (
        "There is no film in German (de): translating needs a language model" in house.cells(record_id)["Status Detail"]
    )


def test_the_narrator_speaks_each_language_that_the_voice_has(house: StageHarness) -> None:
    _, run = house.film(**SPOKEN, Languages=["en", "de"])
    assert run.status is RunStatus.DONE, run.error
    assert lines_said(house) == [
        ("de", translated("Shot 1", "de")), ("de", translated("Shot 2", "de")), ("en", "Shot 1"), ("en", "Shot 2"),
    ]  # fmt: skip
    voices = [work.voice.text for work in house.editor.prepared if work.voice]
    assert sorted(voices) == sorted(text for _, text in lines_said(house))
    record_id, other = house.film(**{**SPOKEN, "Voice": "local/heart"}, Languages=["en", "de"])
    assert [cut.language for cut in house.cuts(other)] == ["en", "de"]
    assert (
        "The film in German (de) has no narrator: local/heart speaks English only"
        in house.cells(record_id)["Status Detail"]
    )
    assert house.balanced()


def test_a_second_voice_speaks_what_the_usual_one_does_not_unless_the_row_names_one(house: StageHarness) -> None:
    speech = cast("ScriptedSpeech", house.services.speech)
    speech.abroad = "local/espeak"
    free = {**FILM, "Voiceover": True, "Languages": ["en", "de"]}
    record_id, run = house.film(**free)
    assert run.status is RunStatus.DONE, run.error
    assert sorted((line.language, line.voice) for line in speech.said) == [
        ("de", "local/espeak"), ("de", "local/espeak"), ("en", "local/heart"), ("en", "local/heart"),
    ]  # fmt: skip
    assert sorted(speech.calls) == ["local/espeak", "local/heart"]
    assert ("Voiceover: 2 × local/heart, 2 × local/espeak", 0) in run.known_plan.lines
    assert "narrator" not in house.cells(record_id)["Status Detail"]
    house.make(record_id)
    assert len(speech.said) == 4
    _, named = house.film(**free, Voice="acme/anna")
    assert {line.voice for line in speech.said[4:]} == {"acme/anna"}
    assert named.status is RunStatus.DONE
    assert house.balanced()


def test_a_voice_that_fails_in_one_language_is_heard_in_the_others(house: StageHarness) -> None:
    speech = cast("ScriptedSpeech", house.services.speech)
    speech.abroad = "local/espeak"
    speech.fail = {translated("Shot 1", "de"): ProviderFailed("no", marketer="It could not be said.")}
    record_id, run = house.film(**FILM, Voiceover=True, Languages=["en", "de"])
    assert [cut.language for cut in house.cuts(run)] == ["en", "de"]
    assert sorted((line.language, line.text) for line in speech.said) == [
        ("de", translated("Shot 2", "de")), ("en", "Shot 1"), ("en", "Shot 2"),
    ]  # fmt: skip
    told = house.cells(record_id)["Status Detail"]
    assert "Scene 1 in German (de) has no narrator. It could not be said." in told


@pytest.mark.parametrize(
    ("gone", "silent", "spoken"), [("local/espeak", "German (de)", "en"), ("local/heart", "English (en)", "de")]
)
def test_a_voice_that_stays_away_leaves_the_lines_of_the_others(
    house: StageHarness, gone: str, silent: str, spoken: str
) -> None:
    speech = cast("ScriptedSpeech", house.services.speech)
    speech.abroad = "local/espeak"
    speech.gone = {gone}
    record_id, run = house.film(**FILM, Voiceover=True, Languages=["en", "de"])
    assert run.status is RunStatus.DONE, run.error
    assert [cut.language for cut in house.cuts(run)] == ["en", "de"]
    assert [line.language for line in speech.said] == [spoken] * 2
    told = house.cells(record_id)["Status Detail"]
    sentence = f"The film in {silent} has no narrator, or not in every scene: the voice {gone} stayed away."
    assert (told.count(sentence), told.count("narrator")) == (1, 1)
    assert "Start again later to have it spoken: only what is missing is bought." in told
    speech.gone = set()
    house.make(record_id)
    assert len(speech.said) == 4
    assert house.balanced()


def test_the_same_row_again_buys_nothing_and_an_edited_caption_only_its_own_words(house: StageHarness) -> None:
    record_id = house.row(**{**FILM, "Voiceover": True, "Voice": "acme/anna", "Languages": ["en", "de"]})
    for number in (1, 2):
        words = {"Narration": f"This is shot {number}", "Caption": f"Cap {number}", "Scene #": number}
        house.airtable.add("Scenes", Video=[record_id], Prompt=f"Shot {number}", Status="Draft", **words)
    house.make(record_id)
    once, said = len(house.writer.translations), lines_said(house)
    again = house.make(record_id)
    assert again.number == 2
    assert (len(house.writer.translations), lines_said(house)) == (once, said)
    assert again.quote_micro == 0
    house.airtable.edit("Scenes", house.scene_ids()[1], Caption="Another 2", Status="Draft")
    third = house.make(record_id)
    assert third.status is RunStatus.DONE, third.error
    assert [line.text for line in house.writer.translations[-1].lines] == ["Another 2"]
    assert (len(house.writer.translations), lines_said(house)) == (once + 1, said)
    assert [cut.language for cut in house.cuts(third)] == ["en", "de"]


def test_a_language_that_is_added_later_has_no_picture_decoded_again(house: StageHarness) -> None:
    """Nor has the first film, which the new run joins anew of the same clips: an earlier run of the record saw them."""
    record_id, _ = house.film(**FILM, Languages=["en", "de"])
    house.airtable.edit(AirtableTable.VIDEOS, record_id, Languages=["en", "de", "fr"], Status="Draft")
    again = house.make(record_id)
    assert [cut.language for cut in house.cuts(again)] == ["en", "de", "fr"]
    assert house.editor.decoded == [2, 0, 0, 0, 0]


def test_a_bad_translation_is_corrected_once_and_then_loses_its_language(house: StageHarness) -> None:
    house.writer.mistranslations = {"de": ["Guten Morgen", "Guten Morgen"], "fr": ["Bonjour"]}
    record_id, run = house.film(**FILM, Languages=["en", "de", "fr"])
    assert run.status is RunStatus.DONE, run.error
    assert [cut.language for cut in house.cuts(run)] == ["en", "fr"]
    why = "has lost the number 1 in line 1"
    assert f"There is no film in German (de): its translation {why}, twice." in house.cells(record_id)["Status Detail"]
    corrections = {
        tag: [one.correction for one in house.writer.translations if one.language == tag] for tag in ("de", "fr")
    }
    assert corrections == {"de": [None, why], "fr": [None, why]}
    assert spent(house, "translation") == 4 * 4_000
    assert house.balanced()
    # Only a new start asks again.
    assert len(translations(house)) == 2


def test_a_banned_word_in_a_translation_is_not_shown(house: StageHarness) -> None:
    house.writer.mistranslations = {"de": ["billig 1 2", "billig 1 2"]}
    brand = house.airtable.add("Brands", Name="Lumen", **{"Banned Words": "billig"})
    record_id, run = house.film(**FILM, Languages=["en", "de"], Brand=[brand])
    assert run.status is RunStatus.DONE, run.error
    assert [cut.language for cut in house.cuts(run)] == ["en"]
    assert "says “billig”, which Banned Words forbids" in house.cells(record_id)["Status Detail"]


@pytest.mark.parametrize(
    ("error", "status", "cost"),
    [
        (Refused("no"), GenerationStatus.FAILED, 0),
        (NotConfigured("401"), GenerationStatus.FAILED, 0),
        (Ambiguous("the connection broke"), GenerationStatus.FETCHED, 4_000),
        (Unavailable("503"), GenerationStatus.FETCHED, 0),
    ],
)
def test_a_translator_that_fails_costs_what_it_may_have_cost(
    house: StageHarness, error: ReelgridError, status: GenerationStatus, cost: int
) -> None:
    record_id = house.row(**FILM, Languages=["en", "de"])
    house.points.at("scenes.planned", lambda: setattr(house.writer, "fail", error))
    run = house.make(record_id)
    assert run.status is RunStatus.DONE, run.error
    (bought,) = translations(house)
    assert (bought.status, bought.cost_micro) == (status, cost + (4_000 if status is GenerationStatus.FETCHED else 0))
    assert spent(house, "translation") == bought.cost_micro
    assert ("de" in [cut.language for cut in house.cuts(run)]) is (status is GenerationStatus.FETCHED)
    assert house.balanced()


def test_a_new_caption_for_one_scene_is_translated_and_said_alone(house: StageHarness) -> None:
    _, run = house.film(**SPOKEN, Languages=["en", "de"])
    before = lines_said(house)
    regenerate.regenerate(house.services, run.id, 2, {"caption": "A new day"}, "test")
    again = house.until(run.id, *STOPPED)
    assert again.status is RunStatus.DONE, again.error
    assert [line.text for line in house.writer.translations[-1].lines] == ["A new day"]
    new = [("de", translated("A new day", "de")), ("en", "A new day")]
    assert lines_said(house) == sorted([*before, *new])
    assert house.balanced()


def test_one_film_too_many_is_refused_with_the_number_that_would_pass(house: StageHarness) -> None:
    order = Order(
        master_prompt="A fox", scene_count=2, title_card="Look", hooks=3, formats=("9:16",),
        languages=("en", "de", "ar", "ja", "fr"),
    )  # fmt: skip
    with pytest.raises(InvalidOrder) as refused:
        plan_run.plan_order(house.services, order)
    (problem,) = refused.value.problems
    assert problem.field == "languages"
    assert "3 hooks × 5 languages × 2 formats are 30 films, and a run makes at most 24" in problem.message
    assert "4 would pass" in problem.message


def test_of_many_films_the_row_holds_those_in_its_own_language(house: StageHarness) -> None:
    record_id, run = house.film(**FILM, Hooks=3, Formats=["9:16"], Languages=["en", "de", "ar", "ja"])
    assert run.status is RunStatus.DONE, run.error
    assert len(house.cuts(run)) == 24
    assert len(house.bought) == 2 + 2
    cells = house.cells(record_id)
    assert len(cells["Final Video"]) == 6
    assert len(cells["Variants"].splitlines()) == 24
    assert all("-en.mp4" in file["filename"] for file in cells["Final Video"])
