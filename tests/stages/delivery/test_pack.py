"""The pack of a film: everything that is posted, described by one row, made once its parts are there."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.footage import Footage
from pipelines.domain.orders.platforms import Platform, broken_limits
from pipelines.domain.records import Run
from pipelines.domain.stored_files import Pack
from pipelines.stages.files import erase
from pipelines.stages.kernel import scratch
from pipelines.stages.views import run_view
from pipelines.testing.airtable import BASE
from pipelines.testing.fakes import translated
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def packs_of(harness: StageHarness, run: Run) -> list[Pack]:
    with harness.services.store.read() as tx:
        return tx.packs.find(run_id=run.id)


def test_a_row_with_platforms_gets_films_in_their_shapes_and_a_link_to_all(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat", Title="Lumen", Captions="Sidecar", Pack=["TikTok", "YouTube"])
    assert [cut.format for cut in harness.cuts(run)] == ["16:9", "9:16"]
    (pack,) = packs_of(harness, run)
    assert harness.cells(record)["Pack URL"] == harness.services.links.pack(pack.token)
    names = [entry.name for entry in pack.entries]
    assert names[0] == "README.txt"
    assert {name.partition("/")[0] for name in names} >= {"TikTok", "YouTube"}
    assert any(name.startswith("TikTok/") and name.endswith("9x16.mp4") for name in names)
    assert any(name.startswith("YouTube/") and name.endswith("16x9.mp4") for name in names)
    for entry in pack.entries:
        data = scratch.local(harness.services, entry.key).read_bytes() if entry.key else entry.text.encode()
        assert (len(data), zlib.crc32(data)) == (entry.size, entry.crc32), entry.name


def test_what_is_posted_is_there_in_every_language_and_a_sound_for_each(harness: StageHarness) -> None:
    """In the row, in the pack and over HTTP; the translation is one line more of the call that is made anyway."""
    wish = {"Title": "Lumen", "Captions": "Sidecar", "Languages": ["en", "de"], "Pack": ["TikTok", "YouTube"]}
    record, run = harness.film(**{"Master Prompt": "A lamp", "Title Card": "Lumen Four"}, **wish)
    pack = packs_of(harness, run)[0]
    texts = {entry.name: entry.text for entry in pack.entries if entry.name.startswith("TikTok/post.")}
    own, german = "Watch this: A lamp", translated("Watch this: A lamp", "de")
    assert texts == {"TikTok/post.en.txt": f"{own}\n", "TikTok/post.de.txt": f"{german}\n"}
    assert harness.cells(record)["Post Text"] == f"English (en)\n{own}\n\nGerman (de)\n{german}"
    told = run_view.run_view(harness.services, run.id)["post_texts"]
    assert told == [{"language": "en", "text": own}, {"language": "de", "text": german}]
    assert len(harness.writer.translations) == 1
    assert "Description: the text of post.en.txt or post.de.txt, by the film's language." in pack.entries[0].text
    sounds = {entry.name: entry.key for entry in pack.entries if entry.name.startswith("audio/")}
    assert list(sounds) == ["audio/en.m4a", "audio/de.m4a"]
    assert all(scratch.local(harness.services, key or "").read_bytes() for key in sounds.values())


def test_scenes_that_a_person_wrote_are_posted_in_their_words(harness: StageHarness) -> None:
    """And what is posted with an earlier film does not stay in the row."""
    record = harness.row(Title="Lumen", Captions="Burned", Pack=["LinkedIn"])
    for number, caption in enumerate(("The city sleeps", "She does not."), start=1):
        words = {"Prompt": f"shot {number}", "Caption": caption, "Scene #": number, "Status": "Draft"}
        harness.airtable.add(AirtableTable.SCENES, Video=[record], **words)
    run = harness.make(record)
    text = "Lumen. The city sleeps. She does not."
    assert harness.cells(record)["Post Text"] == text
    (entry,) = [one for one in packs_of(harness, run)[0].entries if one.name == "LinkedIn/post.txt"]
    assert entry.text == f"{text}\n"
    assert "Text: the text of post.txt." in packs_of(harness, run)[0].entries[0].text
    harness.airtable.edit(AirtableTable.VIDEOS, record, Prompt="A dog", Pack=None)
    harness.make(record)
    assert not harness.cells(record).get("Post Text")


def test_the_same_order_again_says_the_same_and_asks_nobody(harness: StageHarness) -> None:
    wish = {"Master Prompt": "A lamp", "Captions": "Sidecar", "Languages": ["en", "de"], "Pack": ["LinkedIn"]}
    record, _ = harness.film(**wish)
    said = harness.cells(record)["Post Text"]
    harness.make(record)
    assert harness.cells(record)["Post Text"] == said
    assert (len(harness.writer.briefs), len(harness.writer.translations)) == (1, 1)


def test_the_read_me_names_what_a_platform_would_not_take(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat", Title="L" * 101, Pack=["Shorts", "YouTube"], **{"Clip Seconds": 5})
    read_me = packs_of(harness, run)[0].entries[0].text
    assert "! The title has 101 characters; YouTube takes up to 100." in read_me
    assert "Thumbnail: poster.jpg." in read_me


def test_a_film_that_says_nothing_has_no_text_and_the_read_me_names_none(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat", Pack=["TikTok"])
    entries = packs_of(harness, run)[0].entries
    assert not any("/post." in entry.name for entry in entries)
    assert "Description: a sentence and your hashtags." in entries[0].text
    assert "Post Text" not in harness.cells(record)


def test_without_platforms_nothing_is_packed_and_nothing_said(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat")
    assert not packs_of(harness, run)
    assert "Pack URL" not in harness.cells(record)


def test_the_link_of_an_earlier_film_does_not_stay_in_the_row(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat", Pack=["LinkedIn"])
    assert harness.cells(record)["Pack URL"]
    harness.airtable.edit(AirtableTable.VIDEOS, record, Prompt="A dog", Pack=None)
    harness.make(record)
    assert not harness.cells(record).get("Pack URL")


def test_what_is_erased_is_in_no_pack(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat", Title="A secret", Pack=["LinkedIn"])
    erase.erase(harness.services, BASE, record)
    (pack,) = packs_of(harness, run)
    assert pack.entries == ()


@pytest.mark.parametrize(
    ("platform", "changes", "words"),
    [
        (Platform.TIKTOK, {"duration_s": 2.0}, "2.0 s long; TikTok takes 3 s and more"),
        (Platform.SHORTS, {"duration_s": 181.0}, "181.0 s long; Shorts takes up to 180 s"),
        (Platform.REELS, {"size": 301_000_000}, "301 MB; Reels takes up to 300 MB"),
        (Platform.TIKTOK, {"fps": 12}, "12 pictures a second; TikTok takes 23 to 60"),
        (Platform.YOUTUBE, {"shape": "9:16"}, "is 9:16; YouTube wants 16:9"),
    ],
)
def test_each_limit_has_a_sentence(platform: Platform, changes: dict[str, Any], words: str) -> None:
    shape = "16:9" if platform is Platform.YOUTUBE else "9:16"
    film: dict[str, Any] = {"duration_s": 20.0, "fps": 30, "size": 1_000_000, "shape": shape}
    assert not said(platform, **film)
    (sentence,) = said(platform, **film | changes)
    assert words in sentence


def said(platform: Platform, *, duration_s: float, fps: float, size: int, shape: str) -> list[str]:
    footage = Footage(duration_s=duration_s, fps=Fraction(fps), width=720, height=1280)
    return list(broken_limits(platform, footage, size, shape, "A title"))
