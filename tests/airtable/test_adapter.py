"""The Board port against the sandbox's Airtable over HTTP: reading rows, finding work, verifying attachments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.errors import AirtableDenied, RecordGone
from pipelines.domain.footage import Transition
from pipelines.domain.orders.airtable_fields import FileLink, VideoField, attachments
from tests.airtable.airtable_fixtures import BASE, START, AirtableHarness, want
from tests.sandbox.airtable.sandbox_airtable import Web, until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path_factory.mktemp("board")) as world:
        yield world.build()


@pytest.fixture
def world(running: AirtableHarness) -> AirtableHarness:
    """The module's base without rows."""
    for table in ("Videos", "Scenes", "Versions"):
        for row in running.rows(table):
            running.control("DELETE", f"person/{BASE}/{table}/{row['id']}")
    running.calls.clear()
    return running


def test_a_row_is_read_as_an_order_in_one_call(world: AirtableHarness) -> None:
    record = world.add(
        "Videos",
        {"Title": "Launch", "Master Prompt": "A cat.", "Scene Count": 3, "Formats": ["9:16"], "Generate": True},
    )
    row = world.airtable.row(BASE, "", record)
    assert (row.order.title, row.order.master_prompt, row.order.scene_count) == ("Launch", "A cat.", 3)
    assert row.order.formats == ("9:16",)
    assert row.ticks == {"Generate"}
    assert row.problems == ()
    assert world.calls == [(BASE, "read", f"row:{record}")]


def test_the_table_may_be_named_by_its_id(world: AirtableHarness) -> None:
    record = world.add("Videos", {"Master Prompt": "A cat."})
    table = world.tools.book.of(BASE).table("Videos").key
    assert table.startswith("tbl")
    assert world.airtable.row(BASE, table, record).record_id == record


@pytest.mark.parametrize("record", ["recAAAAAAAAAAAAAA", "nonsense", "rec/../x"])
def test_a_row_that_is_not_there_is_gone(world: AirtableHarness, record: str) -> None:
    with pytest.raises(RecordGone):
        world.airtable.row(BASE, "Videos", record)


def test_a_row_of_another_table_is_refused_although_airtable_answers_it(world: AirtableHarness) -> None:
    scene = world.add("Scenes", {"Prompt": "A cat."})
    with pytest.raises(RecordGone) as refused:
        world.airtable.row(BASE, "Videos", scene)
    assert "Videos" in refused.value.marketer


def test_a_base_that_the_token_does_not_see_says_what_to_do(world: AirtableHarness) -> None:
    world.control("POST", "tokens", {"token": "patReelgrid.blind", "bases": ["appOtherBase00001"]})
    world.tools.bases.connect(BASE, token="patReelgrid.blind")
    try:
        with pytest.raises(RecordGone) as refused:
            world.airtable.row(BASE, "Videos", "recAAAAAAAAAAAAAA")
    finally:
        world.tools.bases.disconnect(BASE)
    assert "flask airtable doctor" in refused.value.marketer


def test_a_revoked_token_is_the_operators_business(world: AirtableHarness) -> None:
    world.faults(revoke_token=True)
    try:
        with pytest.raises(AirtableDenied) as refused:
            world.airtable.row(BASE, "Videos", "recAAAAAAAAAAAAAA")
    finally:
        world.faults(revoke_token=False)
    assert "token" in refused.value.marketer


def test_linked_scenes_come_in_order_with_one_call(world: AirtableHarness) -> None:
    record = world.add("Videos", {"Master Prompt": "A cat."})
    for number, prompt in ((2, "second"), (None, "last"), (1, "first")):
        world.add("Scenes", {"Scene #": number, "Prompt": prompt, "Video": [record], "Transition": "Crossfade"})
    row = world.airtable.row(BASE, "Videos", record)
    world.calls.clear()
    scenes = world.airtable.scenes(BASE, row)
    assert [scene.scene.prompt for scene in scenes] == ["first", "second", "last"]
    assert [scene.number for scene in scenes] == [1, 2, None]
    assert scenes[0].scene.transition is Transition.CROSSFADE
    assert scenes[0].video_id == record
    assert [what for _base, _verb, what in world.calls] == [f"scenes:{record}"]


def test_many_linked_scenes_are_read_whatever_the_length_of_a_url(world: AirtableHarness) -> None:
    record = world.add("Videos", {"Master Prompt": "A cat."})
    for number in range(1, 121):
        world.add("Scenes", {"Scene #": number, "Prompt": f"scene {number}", "Video": [record]})
    scenes = world.airtable.scenes(BASE, world.airtable.row(BASE, "Videos", record))
    assert [scene.number for scene in scenes] == list(range(1, 121))


def test_a_row_without_scenes_costs_no_call_for_them(world: AirtableHarness) -> None:
    row = world.airtable.row(BASE, "Videos", world.add("Videos", {"Master Prompt": "A cat."}))
    world.calls.clear()
    assert world.airtable.scenes(BASE, row) == []
    assert world.calls == []


def test_ready_rows_are_those_whose_time_has_come(world: AirtableHarness) -> None:
    now = world.add("Videos", {"Master Prompt": "now", "Status": "Ready"})
    past = world.add(
        "Videos", {"Master Prompt": "past", "Status": "Ready", "Scheduled For": "2020-01-01T00:00:00.000Z"}
    )
    world.add("Videos", {"Master Prompt": "later", "Status": "Ready", "Scheduled For": "2099-01-01T00:00:00.000Z"})
    world.add("Videos", {"Master Prompt": "draft", "Status": "Draft"})
    assert {row.record_id for row in world.airtable.ready(BASE, START)} == {now, past}


def test_more_ready_rows_than_fit_on_a_page_are_all_found(world: AirtableHarness) -> None:
    for number in range(103):
        world.add("Videos", {"Master Prompt": f"{number}", "Status": "Ready"})
    world.calls.clear()
    assert len(world.airtable.ready(BASE, START)) == 103
    assert len(world.calls) == 2, "each page takes a turn of its own"


def test_ticked_boxes_are_found_on_all_tables(world: AirtableHarness) -> None:
    cancelled = world.add("Videos", {"Master Prompt": "a", "Cancel": True})
    world.add("Videos", {"Master Prompt": "b"})
    scene = world.add("Scenes", {"Prompt": "c", "Regenerate": True, "Video": [cancelled]})
    version = world.add("Versions", {"Version Key": f"{cancelled}-r1", "Run": 1, "Video": [cancelled], "Restore": True})
    rows, scenes = world.airtable.ticked(BASE)
    assert [(row.record_id, row.ticks) for row in rows] == [(cancelled, {"Cancel"})]
    assert [(one.record_id, one.video_id, one.regenerate) for one in scenes] == [(scene, cancelled, True)]
    assert [(one.record_id, one.video_id, one.run) for one in world.airtable.restores(BASE)] == [
        (version, cancelled, 1)
    ]


def test_the_settings_row_is_read(world: AirtableHarness) -> None:
    row = world.rows("Settings")[0]["id"]
    assert world.airtable.settings(BASE).day_budget_micro is None
    world.edit("Settings", row, {"Stop Spending": True, "Day Budget": 12.5})
    settings = world.airtable.settings(BASE)
    assert (settings.stop, settings.day_budget_micro, settings.record_id) == (True, 12_500_000, row)
    world.edit("Settings", row, {"Stop Spending": None, "Day Budget": None})


def test_a_stop_box_in_a_second_row_of_settings_counts_too(world: AirtableHarness) -> None:
    """A person added a row instead of ticking the one that is there: money stops all the same."""
    first = world.rows("Settings")[0]["id"]
    second = world.add("Settings", {"Name": "Stop!", "Stop Spending": True, "Day Budget": 3})
    settings = world.airtable.settings(BASE)
    assert (settings.stop, settings.day_budget_micro, settings.record_id) == (True, 3_000_000, first)
    world.control("DELETE", f"person/{BASE}/Settings/{second}")


def test_attachments_of_many_rows_are_read_in_one_call_and_rows_that_are_gone_are_left_out(
    world: AirtableHarness,
) -> None:
    records = [world.add("Videos", {"Title": f"Row {number}"}) for number in range(3)]
    world.control("DELETE", f"person/{BASE}/Videos/{records[1]}")
    world.calls.clear()
    found = world.airtable.attachments_of(BASE, "Videos", records, ["Final Video", "No Such Field"], ["run_1", "run_2"])
    assert found == {records[0]: {"Final Video": []}, records[2]: {"Final Video": []}}
    assert world.calls == [(BASE, "read", "verify:run_1,run_2")]


def test_attachments_are_verified_by_reading_them_again(world: AirtableHarness) -> None:
    record = world.add("Videos", {"Master Prompt": "A cat."})
    with Web() as web:
        link = FileLink(url=web.serve("/film.mp4", b"0" * 5000), filename="film.mp4")
        [written] = world.airtable.flush(
            BASE, [want("w1", "Videos", {VideoField.FINAL_VIDEO: attachments([link])}, record_id=record)]
        )
        assert "size" not in written.fields["Final Video"][0], "Airtable fetches later"

        def arrived() -> Any:
            [found] = world.airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"]
            return found if "size" in found else None

        found = until(arrived)
    assert (found["id"], found["size"], found["type"]) == (written.fields["Final Video"][0]["id"], 5000, "video/mp4")


def test_an_attachment_that_airtable_could_not_fetch_is_missing_when_read_again(world: AirtableHarness) -> None:
    record = world.add("Videos", {"Master Prompt": "A cat."})
    link = FileLink(url="http://127.0.0.1:9/film.mp4", filename="film.mp4")
    fields = {VideoField.FINAL_VIDEO: attachments([link])}
    [written] = world.airtable.flush(BASE, [want("w1", "Videos", fields, record_id=record)])
    assert written.ok
    until(lambda: world.airtable.attachments(BASE, "Videos", record, ["Final Video"])["Final Video"] == [])


def test_an_upload_is_made_once_however_often_it_is_asked_for(world: AirtableHarness, tmp_path: Path) -> None:
    record = world.add("Videos", {"Master Prompt": "A cat."})
    path = tmp_path / "film.mp4"
    path.write_bytes(b"1" * 4000)
    world.faults(drop_answers=[{"kind": "upload"}])
    with pytest.raises(Exception, match="airtable: ConnectionError"):
        world.airtable.upload(BASE, record, VideoField.FINAL_VIDEO, path, "film-r1.mp4")
    again = world.airtable.upload(BASE, record, VideoField.FINAL_VIDEO, path, "film-r1.mp4")
    assert (again["filename"], again["size"]) == ("film-r1.mp4", 4000)
    assert len(world.cells("Videos", record)["Final Video"]) == 1


def test_an_upload_of_more_than_five_megabytes_is_not_tried(world: AirtableHarness, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"1" * (5 * 1024 * 1024 + 1))
    world.calls.clear()
    with pytest.raises(AirtableDenied, match="at most"):
        world.airtable.upload(BASE, "recAAAAAAAAAAAAAA", VideoField.FINAL_VIDEO, path, "film.mp4")
    assert world.calls == []


def test_the_scenes_of_one_film_are_read_in_one_call_with_what_a_person_added_and_moved(world: AirtableHarness) -> None:
    record, other = (world.add("Videos", {"Title": title}) for title in ("Mine", "Other"))
    prefix = f"{record}-r1-"

    def scene(number: float, video: str, **fields: Any) -> str:
        return world.add("Scenes", {"Scene #": number, "Video": [video], "Prompt": f"Shot {number}", **fields})

    second = scene(2, record, **{"Scene Key": f"{prefix}02", "Status": "Queued"})
    first = scene(1, record, **{"Scene Key": f"{prefix}01", "Status": "Queued"})
    added = scene(1, record, Status="Draft")
    known = scene(3, record, **{"Scene Key": f"{record}-r0-03", "Status": "Draft"})
    scene(4, record, **{"Scene Key": f"{record}-r0-04", "Status": "Done"})
    scene(5, other, Status="Draft")
    scene(6, other, **{"Scene Key": f"{other}-r1-01", "Status": "Queued"})
    world.calls.clear()
    found = world.airtable.film_scenes(BASE, record, prefix, [known])
    assert {row.record_id for row in found} == {first, second, added, known}
    assert [row.number for row in found] == [1, 1, 2, 3]
    assert world.calls == [(BASE, "read", f"scenes:{record}")]
