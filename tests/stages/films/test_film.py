"""From clips to films: formats, captions, cards and transitions, regenerating one scene, and what a version says."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import NotAllowed
from pipelines.domain.footage import Corner, Poster, Transition
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.stages.decisions import regenerate
from pipelines.stages.files import orphans
from pipelines.stages.orders import accept
from pipelines.stages.views import finding
from tests.stages.stage_fixtures import StageHarness


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def test_regenerating_one_scene_buys_one_clip_and_makes_a_new_film(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat\nA dog")
    before, film = harness.clips(run), harness.cells(record)["Final Video"][0]["filename"]
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A wolf"}, "test")
    harness.until(run.id, "done")
    harness.settle()
    after = harness.clips(run)
    assert harness.bought == ["A cat", "A dog", "A wolf"]
    assert (after[0].id, after[1].id) == (before[0].id, after[1].id)
    assert after[1].id != before[1].id
    files = harness.cells(record)["Final Video"]
    assert [file["filename"] for file in files] == [film.replace("-r1-", "-r1-take2-")]
    assert harness.cells(record)["Actual Cost"] == 1.2
    with harness.services.store.read() as tx:
        assert tx.cuts.count(run_id=run.id) == 2


def test_a_scene_regenerated_as_it_is_is_another_take(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat")
    regenerate.regenerate(harness.services, run.id, 1, {}, "test")
    harness.until(run.id, "done")
    assert harness.bought == ["A cat", "A cat"]


def test_a_regenerated_scene_keeps_the_picture_that_it_starts_from(harness: StageHarness) -> None:
    picture = "https://dl.airtable.test/1"
    harness.intake.world[picture] = b"a picture"
    record = harness.row()
    files = [{"url": picture, "filename": "a.png", "type": "image/png"}]
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship", Reference_Image=files)
    run = harness.make(record)
    regenerate.regenerate(harness.services, run.id, 1, {"prompt": "A boat"}, "test")
    harness.until(run.id, "done")
    first, second = (purchase.request for purchase in harness.vendor().bought)
    assert second.first_frame == first.first_frame is not None


def test_a_moving_run_cannot_be_regenerated(harness: StageHarness) -> None:
    run = harness.trigger(harness.row(Prompt="A cat"))
    with pytest.raises(NotAllowed):
        regenerate.regenerate(harness.services, run, 1, {}, "test")


def test_a_film_ordered_by_its_length_is_written_bought_and_trimmed_to_it(harness: StageHarness) -> None:
    wish = Order(master_prompt="A day at the sea", film_seconds=18, scene_count=0, adapt=True)
    run = harness.until(accept.start(harness.services, accept.StartRequest(source="rest", order=wish)).run_id, "done")
    scenes = harness.scenes(run)
    assert sum(scene.seconds for scene in scenes) == pytest.approx(18)
    assert len(scenes) == harness.writer.briefs[0].scenes
    assert [purchase.request.seconds for purchase in harness.vendor().bought] == [8.0, 4.0, 4.0, 4.0]
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A gull"}, "test")
    harness.until(run.id, "done")
    assert harness.scenes(run)[1].seconds == scenes[1].seconds


def test_two_formats_are_cut_from_the_same_clips(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat\nA dog", Formats=["9:16"])
    assert len(harness.bought) == 2
    assert {(plan.target.width, plan.target.height) for plan in harness.editor.films} == {(1280, 720), (720, 1280)}
    names = [file["filename"] for file in harness.cells(record)["Final Video"]]
    assert [name.rpartition("-")[2] for name in names] == ["16x9.mp4", "9x16.mp4"]
    assert len(harness.cells(record)["Poster"]) == 2


def test_a_logo_moved_to_another_corner_is_laid_over_the_same_clips_anew(harness: StageHarness) -> None:
    picture = "https://dl.airtable.test/logo"
    harness.intake.world[picture] = b"a logo"
    cells = {"Prompt": "A cat", "Logo": [{"id": "att1", "url": picture, "type": "image/png"}]}
    record, run = harness.film(**cells, **{"Logo Position": "Top Left"})
    harness.airtable.edit(AirtableTable.VIDEOS, record, **{"Logo Position": "Bottom Right", "Logo Opacity": 0.5})
    again = harness.make(record)
    laid = [(work.logo.corner, work.logo.opacity) for work in harness.editor.prepared if work.logo]
    assert laid == [(Corner.TOP_LEFT, 0.85), (Corner.BOTTOM_RIGHT, 0.5)]
    assert harness.bought == ["A cat"]
    assert again.number == run.number + 1


@pytest.mark.parametrize("field", ["Music", "Logo"])
def test_a_file_of_another_kind_is_refused_before_anything_is_bought(harness: StageHarness, field: str) -> None:
    url = "https://dl.airtable.test/empty"
    harness.intake.world[url] = b""
    kind = {"Music": "audio/mpeg", "Logo": "image/png"}[field]
    record = harness.row(Prompt="A cat", **{field: [{"id": "att1", "url": url, "type": kind}]})
    harness.make(record)
    assert harness.cells(record)["Status"] == "Failed"
    assert harness.cells(record)["Error"].startswith(f"{field}: The file ")
    assert harness.bought == []


def test_a_film_takes_the_frame_rate_of_its_first_clip_and_keeps_it(harness: StageHarness) -> None:
    harness.vendor("acme").fps = 30
    _, run = harness.film(Prompt="A cat\nA dog")
    assert {work.target.fps for work in harness.editor.prepared} == {Fraction(30)}
    assert harness.editor.films[-1].target.fps == Fraction(30)
    harness.vendor("acme").fps = 25
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A wolf"}, "test")
    harness.until(run.id, "done")
    assert harness.editor.films[-1].target.fps == Fraction(30)


def test_whole_pictures_are_wanted_where_the_transitions_end(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog", Transition="Crossfade", **{"Transition Seconds": 1.5})
    harness.film(Prompt="A cat\nA dog", Transition="Fade Black", **{"Transition Seconds": 1})
    assert [work.fade_in_s for work in harness.editor.prepared] == [1.5, 1.5, 0.5, 0.5]


def test_the_history_and_the_provenance_say_what_was_changed_on_a_clip(harness: StageHarness) -> None:
    _, run = harness.film(**{"Master Prompt": "A day", "Scene Count": 1}, Captions="Burned")
    with harness.services.store.read() as tx:
        said = [event.detail.sentence for event in tx.events.find(run_id=run.id, entity="clip", name="note")]
        (cut,) = tx.cuts.find(run_id=run.id)
    assert said == ["Scene 1 was made to fit: caption."]
    path = harness.services.media.local_path(cut.extras["provenance"])
    assert path is not None
    assert json.loads(path.read_text())["clips"][0]["made_to_fit"] == said


def test_every_film_carries_the_operators_disclosure(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, disclosure="Made with AI")
    harness.film(Prompt="A cat", Formats=["9:16"])
    assert [plan.disclosure for plan in harness.editor.films] == ["Made with AI", "Made with AI"]


def test_the_ai_label_stands_on_every_clip_and_card_and_costs_nothing_later(harness: StageHarness) -> None:
    """Never where the logo is. Taken up in a finished film, it makes a new one of the same clips."""
    picture = "https://dl.airtable.test/logo"
    harness.intake.world[picture] = b"a logo"
    logo = [{"id": "att1", "url": picture, "type": "image/png"}]
    record, run = harness.film(Prompt="A cat\nA dog", Formats=["9:16"], **{"Title Card": "Spring"})
    assert _labels(harness) == {None}
    assert "ai_label" not in _provenance(harness, run)
    harness.editor.prepared.clear()
    harness.editor.cards.clear()
    harness.airtable.edit(AirtableTable.VIDEOS, record, Logo=logo, **{"AI Label": True})
    again = harness.make(record)
    assert _labels(harness) == {Corner.TOP_LEFT}
    assert (len(harness.editor.prepared), len(harness.editor.cards)) == (4, 2)
    assert harness.bought == ["A cat", "A dog"]
    assert _provenance(harness, again)["ai_label"] is True
    harness.airtable.edit(AirtableTable.VIDEOS, record, Logo=[])
    harness.make(record)
    assert harness.editor.prepared[-1].ai_label is Corner.TOP_RIGHT


def _labels(harness: StageHarness) -> set[Corner | None]:
    return {work.ai_label for work in harness.editor.prepared} | {card.ai_label for card in harness.editor.cards}


def _provenance(harness: StageHarness, run: Run) -> dict[str, object]:
    path = harness.services.media.local_path(harness.cuts(run)[0].extras["provenance"])
    assert path is not None
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_a_title_goes_over_the_poster_only_where_the_row_wants_it_and_has_one(harness: StageHarness) -> None:
    cards = {"Title Card": "Hello", "End Card": "Bye", "Captions": "Burned"}
    record, run = harness.film(Prompt="A cat", Title="  Spring\n Sale ", **cards)
    harness.airtable.edit(AirtableTable.VIDEOS, record, **{"Poster Style": "Title"})
    again = harness.make(record)
    plain, titled = harness.editor.posters
    assert plain == Poster()
    assert (titled.title, titled.above_captions, titled.between_s) == ("Spring Sale", True, (2.5, 6.5))
    assert harness.bought == ["A cat"]
    assert [harness.cuts(one)[0].sha256 for one in (run, again)] == [harness.cuts(run)[0].sha256] * 2
    nameless, _ = harness.film(Prompt="A dog", Title="", **{"Poster Style": "title"})
    assert harness.editor.posters[-1] == Poster()
    assert "Poster Style Title was not used" in harness.cells(nameless)["Status Detail"]


def test_captions_are_burned_into_pieces_or_go_beside_the_film(harness: StageHarness) -> None:
    story = {"Master Prompt": "A day", "Scene Count": 2}
    harness.film(Captions="Burned", **story)
    assert {work.caption for work in harness.editor.prepared} == {"Shot 1", "Shot 2"}
    _, run = harness.film(Captions="Sidecar", **story)
    assert [plan.captions for plan in harness.editor.films] == [(None, None), ("Shot 1", "Shot 2")]
    assert {"srt", "vtt"} <= set(harness.cuts(run)[0].extras)


def test_cards_and_transitions_reach_the_film(harness: StageHarness) -> None:
    record = harness.row(Transition="Crossfade", **{"Title Card": "Spring", "End Card": "Buy now"})
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    harness.airtable.add("Scenes", Video=[record], Scene_no=2, Prompt="A whale", Transition="Fade Black")
    harness.airtable.add("Scenes", Video=[record], Scene_no=3, Prompt="A gull", Transition="Cut")
    harness.make(record)
    plan = harness.editor.films[-1]
    assert [card.text for card in harness.editor.cards] == ["Spring", "Buy now"]
    assert (len(plan.pieces), plan.scenes) == (5, 3)
    assert [(boundary.kind, boundary.seconds) for boundary in plan.boundaries] == [
        (Transition.CROSSFADE, 0.5),
        (Transition.FADE_BLACK, 0.5),
        (Transition.CUT, 0.0),
        (Transition.CROSSFADE, 0.5),
    ]


@pytest.mark.parametrize(
    ("row", "own", "ends"),
    [
        ("Fade Black", None, ("Fade Black", "Fade Black")),
        ("Fade Black", "Cut", ("Cut", "Fade Black")),
        ("Cut", "Fade Black", ("Fade Black", "Cut")),
        ("Dip White", "Crossfade", ("Cut", "Cut")),
    ],
)
def test_a_film_begins_in_black_as_its_first_scene_says_and_ends_in_it_as_the_row_says(
    harness: StageHarness, row: str, own: str | None, ends: tuple[str, str]
) -> None:
    record = harness.row(Transition=row, **{"Transition Seconds": 1})
    for number, transition in ((1, own), (2, None)):
        fields = {"Video": [record], "Scene #": number, "Prompt": f"Shot {number}", "Transition": transition}
        harness.airtable.add("Scenes", **fields)
    harness.make(record)
    plan = harness.editor.films[-1]
    assert tuple(end.kind.value for end in plan.ends) == ends
    assert [end.seconds for end in plan.ends] == [float(kind != "Cut") for kind in ends]
    first, last = (piece.name for piece in plan.pieces)
    rendered = {("", first): ends[0], (last, ""): ends[1]}
    assert set(harness.editor.seams) - {(first, last)} == {seam for seam, kind in rendered.items() if kind != "Cut"}


def test_a_title_card_comes_from_black_and_the_first_scene_from_the_card_as_it_says(harness: StageHarness) -> None:
    record = harness.row(Transition="Fade Black", **{"Title Card": "Spring"})
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship", Transition="Crossfade")
    harness.make(record)
    plan = harness.editor.films[-1]
    assert [boundary.kind.value for boundary in plan.boundaries] == ["Crossfade"]
    assert [end.kind.value for end in plan.ends] == ["Fade Black", "Fade Black"]
    card, clip = (piece.name for piece in plan.pieces)
    assert set(harness.editor.seams) == {("", card), (card, clip), (clip, "")}


def test_a_clip_longer_than_its_scene_is_trimmed(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat", **{"Clip Seconds": 3})
    assert harness.vendor().bought[0].request.seconds == 4
    assert harness.editor.prepared[-1].trim_s == 3
    assert harness.cells(record)["Duration"] == 3.0


def test_a_scene_that_continues_starts_from_the_last_frame_before_it(harness: StageHarness) -> None:
    record = harness.row()
    harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
    harness.airtable.add("Scenes", Video=[record], Scene_no=2, Prompt="It sails on", Continue=True)
    run = harness.make(record)
    first, second = (purchase.request for purchase in harness.vendor().bought)
    assert run.status is RunStatus.DONE
    assert first.first_frame is None
    assert second.first_frame == harness.clips(run)[0].last_frame


def test_a_fault_in_the_film_is_delivered_and_asks_a_person(harness: StageHarness) -> None:
    harness.editor.faults = ("black for 3 s at 0:04",)
    record, run = harness.film(Prompt="A cat")
    cells = harness.cells(record)
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "black for 3 s at 0:04" in cells["Error"]
    assert len(cells["Final Video"]) == 1


def test_every_run_is_a_version_that_says_what_changed(harness: StageHarness) -> None:
    record, run = harness.film(Prompt="A cat\nA dog")
    harness.airtable.edit("Videos", record, Formats=["9:16"])
    harness.make(record)
    regenerate.regenerate(harness.services, run.id, 2, {}, "test")
    harness.until(run.id, "done")
    harness.settle()
    versions = {row["Run"]: row for row in harness.airtable.rows("Versions")}
    assert versions[1]["What Changed"] == "New clip for scene 2."
    assert versions[2]["What Changed"] == "The same clips, put together anew."
    assert [len(versions[number]["Final Video"]) for number in (1, 2)] == [1, 2]
    assert versions[2]["Video"] == [record]


def test_where_every_second_comes_from_is_kept_beside_the_film(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    (cut,) = harness.cuts(run)
    path = harness.services.media.local_path(cut.extras["provenance"])
    assert path is not None
    told = json.loads(path.read_text())
    assert [clip["prompt"] for clip in told["clips"]] == ["A cat", "A dog"]
    assert [clip["provider_job"] for clip in told["clips"]] == ["acme-1", "acme-2"]


def test_a_shared_clip_is_made_ready_for_everyone_who_waits_for_it(harness: StageHarness) -> None:
    harness.film(Prompt="A ship")
    records = []
    for text in ("It sails on", "It sinks"):
        record = harness.row()
        harness.airtable.add("Scenes", Video=[record], Scene_no=1, Prompt="A ship")
        harness.airtable.add("Scenes", Video=[record], Scene_no=2, Prompt=text, Continue=True)
        records.append(record)
    runs = [harness.trigger(record) for record in records]
    assert [harness.until(run, "done", "needs_attention").status for run in runs] == [RunStatus.DONE] * 2
    assert len(harness.bought) == 3


def test_every_clip_has_a_small_picture_and_goes_without_one_where_none_can_be_made(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat\nA dog")
    kept = [clip.thumbnail for clip in harness.clips(run)]
    assert all(key is not None and harness.services.media.stat(key) for key in kept)
    assert orphans.find(harness.services).unused == []
    harness.editor.without_thumbnails = True
    _, run = harness.film(Prompt="A wolf")
    assert (run.status, [clip.thumbnail for clip in harness.clips(run)]) == (RunStatus.DONE, [None])


def test_a_scene_is_found_by_its_words_also_when_others_were_put_in_their_place(harness: StageHarness) -> None:
    _, run = harness.film(**{"Master Prompt": "A day", "Scene Count": 1}, Captions="Burned")
    prompt = harness.scenes(run)[0].prompt

    def found(words: str) -> list[list[int]]:
        films = finding.find(harness.services, words, limit=5).films
        return [[scene["number"] for scene in film["scenes"]] for film in films]

    assert found(f"{prompt} SHOT") == [[1]]
    regenerate.regenerate(harness.services, run.id, 1, {"prompt": "A wolf at the door"}, "test")
    assert (found("wolf shot"), found(prompt)) == ([[1]], [])
