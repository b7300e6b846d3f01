"""Writing outbox rows to the sandbox's Airtable: by id, by key, ten at a time, and whatever goes wrong in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.airtable.fields import SceneField, VideoField
from pipelines.domain.airtable.values import CellFile, attachments
from pipelines.domain.errors import AirtableDenied, AirtableQuota, RateLimited, Unavailable
from pipelines.domain.records import OutboxEntry
from tests.airtable.airtable_fixtures import BASE, MODELS, AirtableHarness, want
from tests.sandbox.airtable.sandbox_airtable import until

RATE_LIMIT = {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path_factory.mktemp("outbox")) as harness:
        yield harness.build()


@pytest.fixture
def harness(running: AirtableHarness) -> AirtableHarness:
    """The module's base without rows, faults and cool-downs."""
    for table in ("Videos", "Scenes", "Versions"):
        for row in running.rows(table):
            running.control("DELETE", f"person/{BASE}/{table}/{row['id']}")
    running.control("DELETE", "faults")
    running.faults(rate_limit=0, token_rate_limit=0)
    running.clock.wait(10_000)
    running.tools.book.of(BASE)
    running.calls.clear()
    return running


def a_scene(number: int, video: str, run: str = "run_1") -> OutboxEntry:
    key = f"{video}-r1-{number:02d}"
    fields = {"Scene #": number, "Prompt": f"scene {number}", "Video": [video], "Status": "Queued"}
    return want(f"w{number}", "Scenes", fields, merge={"Scene Key": key}, run_id=run)


def test_rows_we_create_are_written_ten_a_call_and_get_their_ids(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    written = harness.airtable.flush(BASE, [a_scene(number, video) for number in range(1, 13)])
    assert [one.ok for one in written] == [True] * 12
    assert [what for _base, _verb, what in harness.calls] == ["write Scenes:run_1"] * 2
    numbers = {row["id"]: row["fields"]["Scene #"] for row in harness.rows("Scenes")}
    assert [numbers[one.record_id or ""] for one in written] == list(range(1, 13))


def test_a_lost_answer_makes_no_second_row(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    wants = [a_scene(number, video) for number in range(1, 4)]
    harness.faults(drop_answers=[{"verb": "PATCH", "count": 2}])
    with pytest.raises(Unavailable):
        harness.airtable.flush(BASE, wants)
    assert all(one.ok for one in harness.airtable.flush(BASE, wants))
    assert len(harness.rows("Scenes")) == 3


def test_an_answer_lost_once_is_made_up_for_at_once(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.faults(drop_answers=[{"verb": "PATCH", "count": 1}])
    assert harness.airtable.flush(BASE, [a_scene(1, video)])[0].ok
    assert len(harness.rows("Scenes")) == 1


def test_only_what_differs_from_what_airtable_has_is_sent(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Status Detail": "as it was"})
    fields = {"Status": "Generating", "Status Detail": "new"}
    [written] = harness.airtable.flush(
        BASE, [want("w", "Videos", fields, record_id=video, sent={"Status Detail": "new", "Status": "Queued"})]
    )
    assert written.sent == {"Status": "Generating"}
    assert harness.cells("Videos", video)["Status Detail"] == "as it was"


def test_nothing_new_costs_no_call_and_a_newer_time_stamp_is_nothing_new(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    same = want("a", "Videos", {"Status": "Done"}, record_id=video, sent={"Status": "Done"})
    stamp = want("b", "Videos", {"Last Update": "2027-01-01T00:00:00.000Z"}, record_id=video, sent={"Last Update": "x"})
    assert [one.ok for one in harness.airtable.flush(BASE, [same, stamp])] == [True, True]
    assert harness.calls == []


def test_a_row_without_id_and_key_is_never_created(harness: AirtableHarness) -> None:
    [written] = harness.airtable.flush(BASE, [want("w", "Scenes", {"Prompt": "A cat."})])
    assert not written.ok
    assert harness.rows("Scenes") == []


def test_a_deleted_row_is_reported_and_the_others_are_written(harness: AirtableHarness) -> None:
    kept = [harness.add("Videos", {"Master Prompt": str(number)}) for number in range(3)]
    gone = harness.add("Videos", {"Master Prompt": "gone"})
    harness.control("DELETE", f"person/{BASE}/Videos/{gone}")
    wants = [want(record, "Videos", {"Status": "Done"}, record_id=record) for record in [kept[0], gone, *kept[1:]]]
    written = {one.entry_id: one for one in harness.airtable.flush(BASE, wants)}
    assert written[gone].gone
    assert not written[gone].ok
    assert [written[record].ok for record in kept] == [True] * 3
    assert {harness.cells("Videos", record)["Status"] for record in kept} == {"Done"}


def test_a_cell_that_airtable_refuses_does_not_keep_the_rest_of_the_row(harness: AirtableHarness) -> None:
    good, bad = (harness.add("Videos", {"Master Prompt": name}) for name in ("good", "bad"))
    wants = [
        want("good", "Videos", {"Status": "Done"}, record_id=good),
        want("bad", "Videos", {"Status": "Done", "Started At": "no date"}, record_id=bad),
    ]
    written = {one.entry_id: one for one in harness.airtable.flush(BASE, wants)}
    assert written["good"].ok
    assert written["bad"].ok
    assert written["bad"].sent == {"Status": "Done"}
    assert "Started At" in (written["bad"].error or "")
    assert harness.cells("Videos", bad)["Status"] == "Done"


def test_a_new_status_option_is_added_by_writing_it(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.airtable.flush(BASE, [want("w", "Videos", {"Model": "kie/new-model"}, record_id=video)])
    assert harness.cells("Videos", video)["Model"] == "kie/new-model"


def test_two_rows_with_one_key_are_reported_for_that_key_only(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    for _ in range(2):
        harness.add("Scenes", {"Scene Key": f"{video}-r1-01"})
    written = {one.entry_id: one for one in harness.airtable.flush(BASE, [a_scene(1, video), a_scene(2, video)])}
    assert not written["w1"].ok
    assert "more than one" in (written["w1"].error or "")
    assert written["w2"].ok


def test_a_link_that_failed_before_is_left_out_and_the_rest_is_written(harness: AirtableHarness) -> None:
    harness.faults(attachment_refusal="422")
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    dead = attachments([CellFile(url="http://127.0.0.1:9/film.mp4", filename="film.mp4")])
    for attempt in range(2):
        harness.airtable.flush(BASE, [want(f"w{attempt}", "Videos", {VideoField.FINAL_VIDEO: dead}, record_id=video)])
        until(lambda: "Final Video" not in harness.cells("Videos", video))
    fields: dict[str, Any] = {VideoField.FINAL_VIDEO: dead, VideoField.STATUS: "Done"}
    [written] = harness.airtable.flush(BASE, [want("again", "Videos", fields, record_id=video)])
    assert written.ok
    assert VideoField.FINAL_VIDEO not in written.sent
    assert "Final Video" in (written.error or "")
    assert harness.cells("Videos", video)["Status"] == "Done"


def test_kept_attachments_stay_when_a_new_one_is_written(harness: AirtableHarness) -> None:
    harness.faults(attachment_failure="dead_url")
    video = harness.add("Videos", {"Final Video": [{"url": "http://127.0.0.1:9/old.mp4", "filename": "old.mp4"}]})
    [old] = harness.cells("Videos", video)["Final Video"]
    cell = attachments([CellFile(url="http://127.0.0.1:9/new.mp4", filename="new.mp4")], keep=[old["id"]])
    [written] = harness.airtable.flush(BASE, [want("w", "Videos", {"Final Video": cell}, record_id=video)])
    assert [entry["filename"] for entry in written.fields["Final Video"]] == ["old.mp4", "new.mp4"]


def test_a_field_the_base_lacks_is_left_out(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    [written] = harness.airtable.flush(BASE, [want("w", "Videos", {"Status": "Done", "Unheard": 1}, record_id=video)])
    assert written.ok
    assert harness.cells("Videos", video)["Status"] == "Done"


def test_an_unavailable_airtable_is_tried_again_and_then_reported(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.faults(fail_next=[{"verb": "GET", "count": 1, "status": 503}])
    assert harness.airtable.row(BASE, "Videos", video).record_id == video
    harness.faults(fail_next=[{"verb": "GET", "count": 9, "status": 502, "body": "<html>Bad Gateway</html>"}])
    with pytest.raises(Unavailable):
        harness.airtable.row(BASE, "Videos", video)


def test_the_rate_limit_cools_everybody_down_for_thirty_seconds(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.faults(fail_next=[{"count": 1, "status": 429, "body": RATE_LIMIT}])
    with pytest.raises(RateLimited) as limited:
        harness.airtable.row(BASE, "Videos", video)
    assert limited.value.retry_after == 30
    harness.calls.clear()
    before = harness.clock.now()
    harness.connect().airtable.row(BASE, "Videos", video)
    assert harness.clock.now() - before >= 30, "another process waits as well"
    assert len(harness.calls) == 1


def test_retry_after_of_airtable_counts_when_it_is_longer(harness: AirtableHarness) -> None:
    rule = {"count": 1, "status": 429, "body": RATE_LIMIT, "headers": {"Retry-After": "75"}}
    harness.faults(fail_next=[rule])
    with pytest.raises(RateLimited) as limited:
        harness.airtable.row(BASE, "Videos", harness.add("Videos", {"Master Prompt": "A cat."}))
    assert limited.value.retry_after == 75
    with pytest.raises(RateLimited, match="no turn"):
        harness.airtable.ready(BASE, 0)


def test_an_exhausted_quota_stops_all_calls_until_it_is_back(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    wants = [want("w", "Videos", {"Status": "Done"}, record_id=video)]
    harness.faults(quota_exhausted=True)
    with pytest.raises(AirtableQuota):
        harness.airtable.flush(BASE, wants)
    harness.calls.clear()
    with pytest.raises(AirtableQuota) as still:
        harness.connect().airtable.flush(BASE, wants)
    assert harness.calls == [], "nobody asks while it is known to be used up"
    harness.clock.wait(still.value.retry_after or 0)
    with pytest.raises(AirtableQuota) as later:
        harness.airtable.flush(BASE, wants)
    assert len(harness.calls) == 1, "one caller looks whether it is back"
    assert (later.value.retry_after or 0) > 30
    harness.faults(quota_exhausted=False)
    harness.clock.wait(later.value.retry_after or 0)
    assert harness.airtable.flush(BASE, wants)[0].ok
    assert harness.tools.limiter.state(BASE).quota is None


def test_what_was_written_before_a_stop_is_reported_and_the_rest_waits(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    wants = [a_scene(number, video) for number in range(1, 14)]

    def stop_the_second(_base: str, _verb: str, _what: str) -> None:
        if len(harness.calls) == 2:
            harness.faults(fail_next=[{"count": 1, "status": 429, "body": RATE_LIMIT}])

    harness.on_call = stop_the_second
    written = harness.airtable.flush(BASE, wants)
    harness.on_call = None
    assert [one.entry_id for one in written] == [f"w{number}" for number in range(1, 11)]
    assert len(harness.rows("Scenes")) == 10


def test_a_token_without_write_scope_is_the_operators_business(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.control("POST", "tokens", {"token": "patReelgrid.reader", "scopes": ["data.records:read"]})
    harness.tools.bases.connect(BASE, token="patReelgrid.reader")
    try:
        with pytest.raises(AirtableDenied) as refused:
            harness.airtable.flush(BASE, [want("w", "Videos", {"Status": "Done"}, record_id=video)])
    finally:
        harness.tools.bases.disconnect(BASE)
    assert "doctor" in refused.value.marketer


def test_a_missing_optional_table_refuses_its_own_rows_only(
    harness: AirtableHarness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with AirtableHarness(tmp_path_factory.mktemp("small")) as small:
        specs = [{"name": "Title", "type": "singleLineText"}, {"name": "Status", "type": "singleLineText"}]
        small.control("POST", f"bases/{BASE}/tables", {"name": "Videos", "fields": specs})
        video = small.add("Videos", {"Title": "A cat."})
        wants = [
            want("version", "Versions", {"Run": 1}, merge={"Version Key": f"{video}-r1"}),
            want("video", "Videos", {"Status": "Done", "Verdict": "Fine."}, record_id=video),
        ]
        written = {one.entry_id: one for one in small.airtable.flush(BASE, wants)}
        assert not written["version"].ok
        assert "flask airtable setup" in (written["version"].error or "")
        assert written["video"].ok
        assert written["video"].no_column == {"Verdict"}
        assert small.airtable.restores(BASE) == []
        assert not small.airtable.settings(BASE).stop


def test_boxes_are_cleared_like_any_cell(harness: AirtableHarness) -> None:
    scene = harness.add("Scenes", {"Prompt": "A cat.", "Regenerate": True})
    harness.airtable.flush(BASE, [want("w", "Scenes", {SceneField.REGENERATE: False}, record_id=scene)])
    assert "Regenerate" not in harness.cells("Scenes", scene)


def test_a_table_that_another_process_has_built_since_is_found_at_once(tmp_path: Path) -> None:
    with AirtableHarness(tmp_path) as harness:
        pump = harness.connect()
        [early] = pump.airtable.flush(BASE, [want("w1", "Scenes", {"Prompt": "A cat."}, merge={"Scene Key": "k1"})])
        assert not early.ok
        assert "no table" in (early.error or "")
        record = harness.build().add("Videos", {"Title": "A cat"})
        [late] = pump.airtable.flush(BASE, [want("w1", "Scenes", {"Video": [record]}, merge={"Scene Key": "k1"})])
        assert late.ok, late.error


def test_a_base_without_a_newer_field_is_written_as_before_and_setup_adds_it(harness: AirtableHarness) -> None:
    video = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.delete_field("Videos", VideoField.DECIDE)
    harness.tools.book.refresh(BASE)
    harness.calls.clear()
    asked = want("w", "Videos", {"Status": "Needs Approval", "Decide": "Approve:\nhttps://…"}, record_id=video)
    [written] = harness.airtable.flush(BASE, [asked])
    assert (written.ok, written.error, len(harness.calls)) == (True, None, 1)
    assert "Decide" not in harness.cells("Videos", video)
    harness.tools.setup(BASE, MODELS)
    harness.airtable.flush(BASE, [asked])
    assert harness.cells("Videos", video)["Decide"] == "Approve:\nhttps://…"
