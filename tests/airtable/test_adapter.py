"""The Board port against the sandbox's Airtable over HTTP: reading rows, finding work, verifying attachments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.airtable.fields import VideoField
from pipelines.domain.airtable.values import CellFile, attachments
from pipelines.domain.errors import AirtableDenied, RecordGone
from pipelines.domain.footage import Transition
from tests.airtable.airtable_fixtures import BASE, START, AirtableHarness, want
from tests.sandbox.airtable.sandbox_airtable import Web, until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path_factory.mktemp("board")) as harness:
        yield harness.build()


@pytest.fixture
def harness(running: AirtableHarness) -> AirtableHarness:
    """The module's base without rows."""
    for table in ("Videos", "Scenes", "Versions"):
        for row in running.rows(table):
            running.control("DELETE", f"person/{BASE}/{table}/{row['id']}")
    running.calls.clear()
    return running


def test_a_row_is_read_as_an_order_in_one_call(harness: AirtableHarness) -> None:
    record = harness.add(
        "Videos",
        {"Title": "Launch", "Master Prompt": "A cat.", "Scene Count": 3, "Formats": ["9:16"], "Generate": True},
    )
    row = harness.airtable.row(BASE, "", record)
    assert (row.order.title, row.order.master_prompt, row.order.scene_count) == ("Launch", "A cat.", 3)
    assert row.order.formats == ("9:16",)
    assert row.ticks == {"Generate"}
    assert row.problems == ()
    assert harness.calls == [(BASE, "read", f"row:{record}")]


def test_the_table_may_be_named_by_its_id(harness: AirtableHarness) -> None:
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    table = harness.tools.book.of(BASE).table("Videos").key
    assert table.startswith("tbl")
    assert harness.airtable.row(BASE, table, record).record_id == record


@pytest.mark.parametrize("record", ["recAAAAAAAAAAAAAA", "nonsense", "rec/../x"])
def test_a_row_that_is_not_there_is_gone(harness: AirtableHarness, record: str) -> None:
    with pytest.raises(RecordGone):
        harness.airtable.row(BASE, "Videos", record)


def test_a_row_of_another_table_is_refused_although_airtable_answers_it(harness: AirtableHarness) -> None:
    scene = harness.add("Scenes", {"Prompt": "A cat."})
    with pytest.raises(RecordGone) as refused:
        harness.airtable.row(BASE, "Videos", scene)
    assert "Videos" in refused.value.marketer


def test_a_base_that_the_token_does_not_see_says_what_to_do(harness: AirtableHarness) -> None:
    harness.control("POST", "tokens", {"token": "patReelgrid.blind", "bases": ["appOtherBase00001"]})
    harness.tools.bases.connect(BASE, token="patReelgrid.blind")
    try:
        with pytest.raises(RecordGone) as refused:
            harness.airtable.row(BASE, "Videos", "recAAAAAAAAAAAAAA")
    finally:
        harness.tools.bases.disconnect(BASE)
    assert "flask airtable doctor" in refused.value.marketer


def test_a_revoked_token_is_the_operators_business(harness: AirtableHarness) -> None:
    harness.faults(revoke_token=True)
    try:
        with pytest.raises(AirtableDenied) as refused:
            harness.airtable.row(BASE, "Videos", "recAAAAAAAAAAAAAA")
    finally:
        harness.faults(revoke_token=False)
    assert "token" in refused.value.marketer


def test_linked_scenes_come_in_order_with_one_call(harness: AirtableHarness) -> None:
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    for number, prompt in ((2, "second"), (None, "last"), (1, "first")):
        harness.add("Scenes", {"Scene #": number, "Prompt": prompt, "Video": [record], "Transition": "Crossfade"})
    row = harness.airtable.row(BASE, "Videos", record)
    harness.calls.clear()
    scenes = harness.airtable.scenes(BASE, row)
    assert [scene.scene.prompt for scene in scenes] == ["first", "second", "last"]
    assert [scene.number for scene in scenes] == [1, 2, None]
    assert scenes[0].scene.transition is Transition.CROSSFADE
    assert scenes[0].video_id == record
    assert [what for _base, _verb, what in harness.calls] == [f"scenes:{record}"]


def test_many_linked_scenes_are_read_whatever_the_length_of_a_url(harness: AirtableHarness) -> None:
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    for number in range(1, 121):
        harness.add("Scenes", {"Scene #": number, "Prompt": f"scene {number}", "Video": [record]})
    scenes = harness.airtable.scenes(BASE, harness.airtable.row(BASE, "Videos", record))
    assert [scene.number for scene in scenes] == list(range(1, 121))


def test_a_row_without_scenes_costs_no_call_for_them(harness: AirtableHarness) -> None:
    row = harness.airtable.row(BASE, "Videos", harness.add("Videos", {"Master Prompt": "A cat."}))
    harness.calls.clear()
    assert harness.airtable.scenes(BASE, row) == []
    assert harness.calls == []


def test_ready_rows_are_those_whose_time_has_come(harness: AirtableHarness) -> None:
    now = harness.add("Videos", {"Master Prompt": "now", "Status": "Ready"})
    past = harness.add(
        "Videos", {"Master Prompt": "past", "Status": "Ready", "Scheduled For": "2020-01-01T00:00:00.000Z"}
    )
    harness.add("Videos", {"Master Prompt": "later", "Status": "Ready", "Scheduled For": "2099-01-01T00:00:00.000Z"})
    harness.add("Videos", {"Master Prompt": "draft", "Status": "Draft"})
    assert {row.record_id for row in harness.airtable.ready(BASE, START)} == {now, past}


def test_everything_that_rows_ask_for_is_read_in_one_call(harness: AirtableHarness) -> None:
    ready = harness.add("Videos", {"Master Prompt": "now", "Status": "Ready"})
    ticked = harness.add("Videos", {"Master Prompt": "ticked", "Generate": True})
    harness.add("Videos", {"Master Prompt": "later", "Status": "Ready", "Scheduled For": "2099-01-01T00:00:00.000Z"})
    harness.add("Videos", {"Master Prompt": "draft", "Status": "Draft"})
    harness.calls.clear()
    found = {row.record_id: (row.status, set(row.ticks)) for row in harness.airtable.waiting(BASE, START)}
    assert found == {ready: ("Ready", set()), ticked: (None, {"Generate"})}
    assert len(harness.calls) == 1


def test_more_ready_rows_than_fit_on_a_page_are_all_found(harness: AirtableHarness) -> None:
    for number in range(103):
        harness.add("Videos", {"Master Prompt": f"{number}", "Status": "Ready"})
    harness.calls.clear()
    assert len(harness.airtable.ready(BASE, START)) == 103
    assert len(harness.calls) == 2, "each page takes a turn of its own"


def test_ticked_boxes_are_found_on_all_tables(harness: AirtableHarness) -> None:
    cancelled = harness.add("Videos", {"Master Prompt": "a", "Cancel": True})
    harness.add("Videos", {"Master Prompt": "b"})
    scene = harness.add("Scenes", {"Prompt": "c", "Regenerate": True, "Video": [cancelled]})
    version = harness.add(
        "Versions", {"Version Key": f"{cancelled}-r1", "Run": 1, "Video": [cancelled], "Restore": True}
    )
    rows, scenes = harness.airtable.ticked(BASE)
    assert [(row.record_id, row.ticks) for row in rows] == [(cancelled, {"Cancel"})]
    assert [(one.record_id, one.video_id, one.regenerate) for one in scenes] == [(scene, cancelled, True)]
    assert [(one.record_id, one.video_id, one.run) for one in harness.airtable.restores(BASE)] == [
        (version, cancelled, 1)
    ]


def test_the_settings_row_is_read(harness: AirtableHarness) -> None:
    row = harness.rows("Settings")[0]["id"]
    assert harness.airtable.settings(BASE).day_budget_micro is None
    harness.edit("Settings", row, {"Stop Spending": True, "Day Budget": 12.5})
    settings = harness.airtable.settings(BASE)
    assert (settings.stop, settings.day_budget_micro, settings.record_id) == (True, 12_500_000, row)
    harness.edit("Settings", row, {"Stop Spending": None, "Day Budget": None})


def test_a_stop_box_in_a_second_row_of_settings_counts_too(harness: AirtableHarness) -> None:
    """A person added a row instead of ticking the one that is there: money stops all the same."""
    first = harness.rows("Settings")[0]["id"]
    second = harness.add("Settings", {"Name": "Stop!", "Stop Spending": True, "Day Budget": 3})
    settings = harness.airtable.settings(BASE)
    assert (settings.stop, settings.day_budget_micro, settings.record_id) == (True, 3_000_000, first)
    harness.control("DELETE", f"person/{BASE}/Settings/{second}")


def test_attachments_of_many_rows_are_read_in_one_call_and_rows_that_are_gone_are_left_out(
    harness: AirtableHarness,
) -> None:
    records = [harness.add("Videos", {"Title": f"Row {number}"}) for number in range(3)]
    harness.control("DELETE", f"person/{BASE}/Videos/{records[1]}")
    harness.calls.clear()
    found = harness.airtable.attachments_of(
        BASE, "Videos", records, ["Final Video", "No Such Field"], ["run_1", "run_2"]
    )
    assert found == {records[0]: {"Final Video": []}, records[2]: {"Final Video": []}}
    assert harness.calls == [(BASE, "read", "verify:run_1,run_2")]


def test_attachments_are_verified_by_reading_them_again(harness: AirtableHarness) -> None:
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    with Web() as web:
        link = CellFile(url=web.serve("/film.mp4", b"0" * 5000), filename="film.mp4")
        [written] = harness.airtable.flush(
            BASE, [want("w1", "Videos", {VideoField.FINAL_VIDEO: attachments([link])}, record_id=record)]
        )
        assert "size" not in written.fields["Final Video"][0], "Airtable fetches later"

        def arrived() -> Any:
            [found] = harness.airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"]
            return found if found.size is not None else None

        found = until(arrived)
    assert (found.id, found.size, found.type) == (written.fields["Final Video"][0]["id"], 5000, "video/mp4")


def test_an_attachment_that_airtable_could_not_fetch_is_missing_when_read_again(harness: AirtableHarness) -> None:
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    link = CellFile(url="http://127.0.0.1:9/film.mp4", filename="film.mp4")
    entry = want("w1", "Videos", {VideoField.FINAL_VIDEO: attachments([link])}, record_id=record)
    [written] = harness.airtable.flush(BASE, [entry])
    assert written.ok
    until(lambda: harness.airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"] == [])


def test_an_upload_is_made_once_however_often_it_is_asked_for(harness: AirtableHarness, tmp_path: Path) -> None:
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    path = tmp_path / "film.mp4"
    path.write_bytes(b"1" * 4000)
    harness.faults(drop_answers=[{"kind": "upload"}])
    with pytest.raises(Exception, match="airtable: ConnectionError"):
        harness.airtable.upload(BASE, record, VideoField.FINAL_VIDEO, path, "film-r1.mp4")
    again = harness.airtable.upload(BASE, record, VideoField.FINAL_VIDEO, path, "film-r1.mp4")
    assert (again.filename, again.size) == ("film-r1.mp4", 4000)
    assert len(harness.cells("Videos", record)["Final Video"]) == 1


def test_an_upload_of_more_than_five_megabytes_is_not_tried(harness: AirtableHarness, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"1" * (5 * 1024 * 1024 + 1))
    harness.calls.clear()
    with pytest.raises(AirtableDenied, match="at most"):
        harness.airtable.upload(BASE, "recAAAAAAAAAAAAAA", VideoField.FINAL_VIDEO, path, "film.mp4")
    assert harness.calls == []


def test_the_scenes_of_one_film_are_read_in_one_call_with_what_a_person_added_and_moved(
    harness: AirtableHarness,
) -> None:
    record, other = (harness.add("Videos", {"Title": title}) for title in ("Mine", "Other"))
    prefix = f"{record}-r1-"

    def scene(number: float, video: str, **fields: Any) -> str:
        return harness.add("Scenes", {"Scene #": number, "Video": [video], "Prompt": f"Shot {number}", **fields})

    second = scene(2, record, **{"Scene Key": f"{prefix}02", "Status": "Queued"})
    first = scene(1, record, **{"Scene Key": f"{prefix}01", "Status": "Queued"})
    added = scene(1, record, Status="Draft")
    known = scene(3, record, **{"Scene Key": f"{record}-r0-03", "Status": "Draft"})
    scene(4, record, **{"Scene Key": f"{record}-r0-04", "Status": "Done"})
    scene(5, other, Status="Draft")
    scene(6, other, **{"Scene Key": f"{other}-r1-01", "Status": "Queued"})
    harness.calls.clear()
    found = harness.airtable.film_scenes(BASE, record, prefix, [known])
    assert {row.record_id for row in found} == {first, second, added, known}
    assert [row.number for row in found] == [1, 1, 2, 3]
    assert harness.calls == [(BASE, "read", f"scenes:{record}")]
