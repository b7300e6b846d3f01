"""A brand in a base: lent to the row, copied into the run, enforced, and told what of it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import Expired, InvalidOrder
from pipelines.domain.footage import Captions, Corner, PosterStyle
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.brand import Brand, BrandRow
from pipelines.domain.orders.order import Order, SceneOrder, with_brand
from pipelines.media.text.fonts import BUNDLED
from pipelines.stages.decisions import dry_run, regenerate
from pipelines.stages.files.erase import erase
from pipelines.stages.orders import accept, brands
from pipelines.stages.scheduler.maintenance import Maintenance
from pipelines.testing import Outcome
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import STOPPED, StageHarness

LOGO, OTHER, MUSIC, FONT = (f"https://brand.test/{name}" for name in ("a.png", "b.png", "c.mp3", "d.otf"))


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    made = StageHarness.build(tmp_path)
    font = (BUNDLED / "Inter-Bold.otf").read_bytes()
    made.intake.world |= {LOGO: b"a logo", OTHER: b"another", MUSIC: b"music", FONT: font}
    return made


def brand(harness: StageHarness, **fields: object) -> str:
    return harness.airtable.add(AirtableTable.BRANDS, Name="Lumen", **fields)


def file(url: str) -> list[dict[str, str]]:
    return [{"id": f"att{url[-5]}", "url": url, "filename": url.rpartition("/")[2]}]


def told(harness: StageHarness, record_id: str) -> str:
    return str(harness.airtable.cells(record_id, AirtableTable.BRANDS).get("Problems", ""))


def test_a_row_takes_from_its_brand_what_it_does_not_say_itself(harness: StageHarness) -> None:
    made = brand(
        harness,
        **{"Logo": file(LOGO), "Logo Position": "Bottom Left", "Music": file(MUSIC), "Font": file(FONT)},
        **{
            "Caption Style": "Burned",
            "Intro": "Lumen",
            "Outro": "Buy now",
            "Look": "35 mm film",
            "Never Show": "smoke",
        },
        **{"Primary Colour": "0055FF", "Legal Line": "18+ only"},
    )
    _, run = harness.film(Prompt="A cat", Brand=[made], **{"Title Card": "Spring", "Style Notes": "slow"})
    order = run.known_order
    assert run.status is RunStatus.DONE
    assert (order.title_card, order.end_card, order.captions) == ("Spring", "Buy now", Captions.BURNED)
    assert order.logo_position is Corner.BOTTOM_LEFT
    assert all("://" not in (key or "://") for key in (order.logo, order.music, order.brand and order.brand.font))
    assert harness.bought == ["A cat\n\nStyle: slow\n35 mm film\nNever show: smoke"]
    first, last = harness.editor.cards
    assert (first.text, first.footer, last.text, last.footer) == ("Spring", None, "Buy now", "18+ only")
    assert last.lettering is not None
    assert (last.lettering.plate, last.lettering.font is None) == ((0, 0x55, 0xFF), False)


def test_a_brand_lends_its_voice_and_its_hashtags_as_they_were_when_the_run_began(harness: StageHarness) -> None:
    said = {"Voice": "acme/anna", "Hashtags": "#Lumen, light ＃夜\ncheap light", "Banned Words": "cheap"}
    made = brand(harness, **said)
    record = harness.row(Title="Spring", Prompt="A cat", Brand=[made], Voiceover=True, Pack=["TikTok"])
    run = harness.until(harness.trigger(record), "generating")
    harness.airtable.edit(AirtableTable.BRANDS, made, Voice="local/heart", Hashtags="#later")
    harness.until(run.id, *STOPPED)
    harness.settle()
    assert harness.run(run.id).known_order.voice == "acme/anna"
    assert harness.cells(record)["Post Text"] == "Spring.\n\n#Lumen #light #夜"
    harness.airtable.edit(AirtableTable.VIDEOS, record, Voice="acme/anna")
    harness.airtable.edit(AirtableTable.BRANDS, made, Voice="acme/nobody")
    again = harness.make(record)
    assert (again.status, again.known_order.voice) == (RunStatus.DONE, "acme/anna")
    harness.airtable.edit(AirtableTable.VIDEOS, record, Voice=None)
    assert harness.make(record).status is RunStatus.FAILED
    assert harness.cells(record)["Error"].startswith("Brand Voice: There is no voice 'acme/nobody' here.")


def test_a_new_logo_colour_font_card_or_legal_line_makes_a_new_cut_and_buys_nothing(harness: StageHarness) -> None:
    made = brand(harness, Look="35 mm film", Logo=file(LOGO), **{"Caption Style": "Burned"})
    record, run = harness.film(Prompt="A cat\nA dog", Brand=[made])
    new = {"Primary Colour": "#112233", "Legal Line": "18+", "Intro": "Hi", "Banned Words": "cheap"}
    harness.airtable.edit(AirtableTable.BRANDS, made, Logo=file(OTHER), Font=file(FONT), Music=file(MUSIC), **new)
    again = harness.make(record)
    assert len(harness.bought) == 2
    assert [cut.sha256 for cut in harness.cuts(again)] != [cut.sha256 for cut in harness.cuts(run)]
    harness.airtable.edit(AirtableTable.BRANDS, made, Look="Studio light")
    harness.make(record)
    assert len(harness.bought) == 4


def test_a_brand_that_is_edited_while_its_film_is_made_counts_for_the_next_one(harness: StageHarness) -> None:
    made = brand(harness, Intro="Before", Look="35 mm film")
    record = harness.row(Prompt="A cat", Brand=[made])
    run = harness.until(harness.trigger(record), "generating")
    harness.airtable.edit(AirtableTable.BRANDS, made, Intro="After", **{"Banned Words": "cat"})
    run = harness.until(run.id, *STOPPED)
    assert (run.status, run.known_order.title_card) == (RunStatus.DONE, "Before")
    harness.settle()
    assert harness.make(record).status is RunStatus.FAILED


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Prompt": "A dog\nA CHEAP cat"}, "Scene 2 Prompt: has “cheap”"),
        ({"Prompt": "A cat", "Title Card": "Cheap!"}, "Title Card: has “cheap”"),
        ({"Master Prompt": "A cat", "End Card": "So ｃｈｅａｐ"}, "End Card: has “cheap”"),
        ({"Prompt": "A cat", "Title": "Cheap light", "Pack": ["TikTok"]}, "Title: has “cheap”"),
    ],
)
def test_a_banned_word_of_a_person_is_refused_with_its_field_before_anything_is_paid(
    harness: StageHarness, fields: dict[str, Any], said: str
) -> None:
    made = brand(harness, **{"Banned Words": "free trial, cheap"})
    harness.writer.cost_micro = 10_000
    record, run = harness.film(Brand=[made], **fields)
    assert run.status is RunStatus.FAILED
    assert said in harness.cells(record)["Error"]
    assert "the brand “Lumen” does not allow" in harness.cells(record)["Error"]
    assert not harness.bought
    assert not harness.writer.briefs


def test_a_caption_in_a_row_of_scenes_is_looked_at_too(harness: StageHarness) -> None:
    made = brand(harness, **{"Banned Words": "cheap"})
    record = harness.row(Title="Cats", Brand=[made])
    harness.airtable.add(AirtableTable.SCENES, Video=[record], Prompt="A cat", Caption="cheap cats", Scene_no=1)
    harness.make(record)
    assert "Scene 1 Caption: has “cheap”" in harness.cells(record)["Error"]


def test_a_banned_word_of_the_writer_is_written_again_once_and_paid_within_the_quote(harness: StageHarness) -> None:
    made = brand(harness, Look="35 mm", **{"Banned Words": "cheap"})
    harness.writer.cost_micro, harness.writer.slips = 10_000, [", cheap"]
    record, run = harness.film(**{"Master Prompt": "A cat", "Scene Count": 2, "Brand": [made]})
    assert run.status is RunStatus.DONE
    first, second = harness.writer.briefs
    assert "Never use these words: cheap." in (first.style_notes or "")
    assert "must not be used" in (second.style_notes or "")
    assert not any("cheap" in prompt for prompt in harness.bought)
    assert run.quote_micro is not None
    assert harness.cells(record)["Actual Cost"] * 1e6 <= run.quote_micro
    assert harness.balanced()


def test_a_banned_word_that_is_written_twice_ends_the_run_with_the_word(harness: StageHarness) -> None:
    made = brand(harness, **{"Banned Words": "cheap"})
    harness.writer.cost_micro = 10_000
    record, run = harness.film(**{"Master Prompt": "A cheap cat", "Scene Count": 2, "Brand": [made]})
    assert (run.status, len(harness.writer.briefs), harness.bought) == (RunStatus.FAILED, 2, [])
    assert "Master Prompt: was written into scenes that say “cheap”, twice" in harness.cells(record)["Error"]
    assert harness.balanced()
    assert harness.held() == 0


def test_a_softer_prompt_with_a_banned_word_is_not_used(harness: StageHarness) -> None:
    made = brand(harness, **{"Banned Words": "gently"})
    for name in ("acme", "other"):
        harness.vendor(name).script("gently", Outcome.SUCCEED)
        harness.vendor(name).script("fight", Outcome.REFUSE)
    _, run = harness.film(Prompt="a fight", Brand=[made], **{"Allow Rewrite": True})
    assert harness.writer.softened == ["a fight"]
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert harness.scenes(run)[0].prompt == "a fight"


def test_a_new_prompt_for_one_scene_is_looked_at_before_its_price(harness: StageHarness) -> None:
    made = brand(harness, **{"Banned Words": "cheap"})
    _, run = harness.film(Prompt="A cat", Brand=[made])
    with pytest.raises(InvalidOrder, match="cheap"):
        dry_run.regeneration(harness.services, run.id, 1, {"prompt": "A cheap cat"})
    with pytest.raises(InvalidOrder, match="cheap"):
        regenerate.regenerate(harness.services, run.id, 1, {"prompt": "A cheap cat"}, "test")


def test_scenes_of_an_earlier_run_that_a_new_list_forbids_are_written_again(harness: StageHarness) -> None:
    made = brand(harness, Look="35 mm")
    harness.writer.slips = [", cheap"]
    record, _ = harness.film(**{"Master Prompt": "A cat", "Scene Count": 1, "Brand": [made]})
    harness.airtable.edit(AirtableTable.BRANDS, made, **{"Banned Words": "cheap"})
    assert harness.make(record).status is RunStatus.DONE
    assert len(harness.writer.briefs) == 2


def test_what_of_a_brand_cannot_be_used_stands_in_its_row_and_the_film_is_made(harness: StageHarness) -> None:
    harness.intake.world[FONT] = b""
    made = brand(harness, Font=file(FONT), **{"Primary Colour": "#FE5102", "Accent Colour": "sunny"})
    record, run = harness.film(Prompt="A cat", Brand=[made])
    assert run.status is RunStatus.DONE
    said = told(harness, made)
    assert "Accent Colour must be a colour" in said
    assert "Font was not used, Inter is." in said
    assert "contrast of 3.29" in said
    assert run.known_order.brand is not None
    assert run.known_order.brand.font is None
    harness.airtable.edit(AirtableTable.BRANDS, made, Font=None, **{"Primary Colour": "#0055FF", "Accent Colour": None})
    harness.make(record)
    assert told(harness, made) == ""


def test_a_font_that_is_gone_and_a_brand_that_is_gone_hold_up_no_film(harness: StageHarness) -> None:
    harness.intake.world[FONT] = Expired("404")
    made = brand(harness, Font=file(FONT))
    _, run = harness.film(Prompt="A cat", Brand=[made])
    assert run.status is RunStatus.DONE
    record, run = harness.film(Prompt="A fox", Brand=["recNobodysBrand00"])
    assert run.status is RunStatus.DONE
    assert any("Brand was not used" in (event.detail.sentence or "") for event in harness.events(run, "note"))
    assert harness.cells(record)["Status"] == "Done"


def test_a_logo_of_the_brand_that_is_no_picture_is_said_of_the_brand(harness: StageHarness) -> None:
    harness.intake.world[LOGO] = b""
    record, _ = harness.film(Prompt="A cat", Brand=[brand(harness, Logo=file(LOGO))])
    assert "Brand Logo: The file is no picture" in harness.cells(record)["Error"]


def test_two_brands_in_a_row_are_one_too_many_and_words_in_the_field_are_none(harness: StageHarness) -> None:
    both = [brand(harness), brand(harness)]
    record, _ = harness.film(Prompt="A cat", Brand=both)
    assert "Brand: takes one row; it holds 2." in harness.cells(record)["Error"]
    assert harness.film(Prompt="A cat", Brand="Nike")[1].status is RunStatus.DONE


def test_a_row_without_a_brand_asks_airtable_no_more_and_one_with_a_brand_once(harness: StageHarness) -> None:
    harness.film(Prompt="A cat")
    assert harness.calls("brand") == 0
    harness.film(Prompt="A dog", Brand=[brand(harness)])
    assert harness.calls("brand") == 1
    assert not [call for call in harness.airtable.calls if call.verb == "write" and call.table == "Brands"]


def test_an_order_without_a_row_names_a_brand_of_a_base(harness: StageHarness) -> None:
    made = brand(harness, Intro="Hello", Outro="Bye", **{"Banned Words": "cheap"})
    order = Order(master_prompt="A cat", scene_count=1, end_card="Mine")
    named = BrandRow(base_id=BASE, record_id=made, given=("end_card",))
    for prompt, status in (("A cat", RunStatus.DONE), ("A cheap cat", RunStatus.FAILED)):
        ordered = Order(master_prompt=prompt, scene_count=1, end_card=order.end_card, brand_row=named)
        started = accept.start(harness.services, accept.StartRequest(source="rest", order=ordered))
        run = harness.until(started.run_id, *STOPPED)
        assert (run.status, run.known_order.title_card, run.known_order.end_card) == (status, "Hello", "Mine")


def test_a_brand_in_the_order_itself_is_checked_at_once(harness: StageHarness) -> None:
    words = SceneOrder(prompt="A cheap cat", caption="Cheap")
    order = Order(scenes=(words,), scene_count=1, title="Cheap", poster_style=PosterStyle.TITLE)
    order = with_brand(order, Brand(banned_words="cheap", outro="Cheap", look="cheap"), ())
    with pytest.raises(InvalidOrder) as caught:
        accept.start(harness.services, accept.StartRequest(source="rest", order=order))
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["brand.outro", "title", "brand.look", "scenes[0].prompt", "scenes[0].caption"]


def test_erasing_takes_the_font_as_well(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat", Brand=[brand(harness, Font=file(FONT))])
    key = run.known_order.brand.font if run.known_order.brand else None
    assert key
    assert harness.services.media.stat(key) is not None
    erase(harness.services, BASE, record)
    assert harness.services.media.stat(key) is None


@pytest.mark.parametrize(
    ("of_brand", "of_row", "heard"),
    [
        ({"Music Mood": "Calm"}, {}, "Calm"),
        ({"Music Mood": "Calm"}, {"Music Mood": "Upbeat"}, "Upbeat"),
        ({"Music": file(MUSIC)}, {"Music Mood": "Upbeat"}, "Upbeat"),
        ({"Music Mood": "Calm"}, {"Music": "local/dreamy"}, "Dreamy"),
        ({"Music Mood": "Calm"}, {"Music": file(MUSIC)}, None),
        ({"Music": "Local/Warm"}, {}, "Warm"),
        ({}, {}, None),
    ],
)
def test_made_music_is_that_of_the_row_else_of_the_brand(
    of_brand: dict[str, object], of_row: dict[str, object], heard: str | None, harness: StageHarness
) -> None:
    _, run = harness.film(Prompt="A cat", Brand=[brand(harness, **of_brand)], **of_row)
    assert run.status is RunStatus.DONE
    (plan,) = harness.editor.films
    if heard is None:
        assert (plan.music is None) is (of_row == {})
    else:
        assert plan.music is not None
        assert plan.music.read_text() == heard


def test_made_music_buys_nothing_and_a_mood_that_there_is_not_is_named(harness: StageHarness) -> None:
    record_id, _ = harness.film(Prompt="A cat")
    clips = len(harness.bought)
    harness.airtable.edit("Videos", record_id, **{"Music Mood": "Warm"})
    again = harness.make(record_id)
    assert (again.status, len(harness.bought), again.quote_micro) == (RunStatus.DONE, clips, 0)
    assert [plan.music is not None for plan in harness.editor.films] == [False, True]
    harness.airtable.edit("Videos", record_id, Music="local/polka")
    wrong = harness.make(record_id)
    assert wrong.status is RunStatus.FAILED
    assert "local/polka" in harness.cells(record_id)["Error"]


def test_which_brands_a_base_has_is_known_from_what_was_read_and_read_anew_once_a_day(harness: StageHarness) -> None:
    bases = harness.services.base_tools.bases

    def known() -> list[str]:
        return [one.name for one in bases.state(BASE).brands.rows]

    def looked(after_s: float) -> int:
        """How often all of them were read by the looks of so long a time."""
        before = harness.calls("brands")
        harness.clock.pass_by(after_s)
        harness.settle(patience_s=60)
        return harness.calls("brands") - before

    Maintenance(harness.services).tick()
    harness.settle(patience_s=60)
    assert known() == []
    made = brand(harness)
    _, run = harness.film(Prompt="A cat", Brand=[made])
    assert run.status is RunStatus.DONE
    assert known() == ["Lumen"], "the run read it"
    harness.airtable.edit(AirtableTable.BRANDS, made, Name="Lumen Two")
    assert looked(brands.READ_EVERY_S / 4) == 1, "not by the first look, which a film waits for"
    harness.airtable.add(AirtableTable.BRANDS, Name="Zest")
    assert looked(brands.READ_EVERY_S / 4) == 0
    assert looked(brands.READ_EVERY_S) == 1
    assert known() == ["Lumen Two", "Zest"]
    harness.airtable.denied = True
    assert looked(brands.READ_EVERY_S + 1) <= 1
    assert known() == ["Lumen Two", "Zest"], "a base that cannot be read keeps what is known"
