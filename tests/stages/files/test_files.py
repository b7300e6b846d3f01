"""Every object in storage is a row, is counted, is found where rows and objects do not fit, and is kept no longer than
it is worth.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipelines.domain.errors import StorageFull
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.stored_files import FileKind
from pipelines.ports import Stored
from pipelines.stages.commerce import accounts
from pipelines.stages.files import keep, orphans, usage
from pipelines.stages.orders import accept
from pipelines.stages.scheduler.maintenance import clean_up
from pipelines.testing.airtable import BASE
from tests.stages.stage_fixtures import StageHarness

DAY_S = 86_400.0
PICTURE = "https://pictures.example/cat.png"


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    made = StageHarness.build(tmp_path, keep_clips_s=30 * DAY_S)
    made.intake.world[PICTURE] = b"a picture of a cat"
    return made


def stored(harness: StageHarness) -> dict[str, Stored]:
    return {found.key: found for found in harness.services.media.list_prefix("")}


def put(harness: StageHarness, key: str, content: bytes = b"left behind") -> str:
    """An object without a row, as a step leaves it that dies in between."""
    path = harness.services.work / "left"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return harness.services.media.put_file(path, key, "video/mp4").key


def test_every_object_of_a_film_has_a_row_with_its_size_and_its_owner(harness: StageHarness) -> None:
    _, run = harness.film(**{"Prompt": "A cat\nA dog", "Clip Seconds": 3, "Reference Images": [{"url": PICTURE}]})
    assert run.status is RunStatus.DONE
    with harness.services.store.read() as tx:
        rows = {row.id: row for row in tx.files.find()}
    there = stored(harness)
    assert set(rows) == set(there)
    assert {key: row.size for key, row in rows.items()} == {key: found.size for key, found in there.items()}
    assert {(row.run_id, row.base_id) for row in rows.values()} == {(run.id, BASE)}
    assert {FileKind.CLIP, FileKind.PIECE, FileKind.CUT, FileKind.EXTRA, FileKind.INPUT} <= {
        row.kind for row in rows.values()
    }


def test_what_there_is_is_known_without_adding_it_up(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog")
    there = stored(harness).values()
    with harness.services.store.read() as tx:
        assert usage.stored_bytes(tx) == sum(found.size for found in there)
        by_kind = {use.group[0]: (use.files, use.size) for use in usage.usage(tx, ["kind"])}
        (of_base,) = usage.usage(tx, ["base", "account"])
    clips = [found.size for found in there if found.key.startswith("clips/")]
    assert by_kind["clip"] == (len(clips), sum(clips))
    assert (of_base.group, of_base.files) == ((BASE, ""), len(there))


def test_equal_content_is_counted_once_and_deleted_content_no_more(harness: StageHarness) -> None:
    record, _ = harness.film(Prompt="A cat")
    with harness.services.store.read() as tx:
        before = usage.stored_bytes(tx)
    assert harness.make(record).status is RunStatus.DONE
    with harness.services.store.read() as tx:
        films = [use for use in usage.usage(tx, ["kind"]) if use.group == ("clip",)]
    assert [use.files for use in films] == [1]
    harness.clock.pass_by(31 * DAY_S)
    clean_up(harness.services)
    with harness.services.store.read() as tx:
        assert usage.stored_bytes(tx) == sum(found.size for found in stored(harness).values()) < before * 2
        assert tx.files.count(kind=FileKind.CLIP) == 0


# ---------------------------------------------------------------- retention of what many runs share


def test_a_picture_is_kept_as_long_as_it_was_used_lately(harness: StageHarness) -> None:
    fields = {"Prompt": "A cat", "Reference Images": [{"url": PICTURE}]}
    harness.film(**fields)
    (picture,) = [key for key in stored(harness) if key.startswith("inputs/")]
    harness.clock.pass_by(20 * DAY_S)
    harness.film(**{**fields, "Prompt": "A dog"})
    harness.clock.pass_by(20 * DAY_S)
    clean_up(harness.services)
    assert picture in stored(harness)
    harness.clock.pass_by(11 * DAY_S)
    clean_up(harness.services)
    assert picture not in stored(harness)
    assert harness.film(**fields)[1].status is RunStatus.DONE


def test_a_picture_of_a_run_that_waits_for_a_person_is_never_deleted(harness: StageHarness) -> None:
    harness.services.media.check()
    record = harness.row(**{"Prompt": "A cat", "Reference Images": [{"url": PICTURE}], "Max Cost": 0.01})
    assert harness.make(record).status is RunStatus.NEEDS_ATTENTION
    harness.clock.pass_by(365 * DAY_S)
    clean_up(harness.services)
    assert [key for key in stored(harness) if key.startswith("inputs/")]


# ---------------------------------------------------------------- orphans


def test_rows_and_objects_of_a_whole_film_belong_together(harness: StageHarness) -> None:
    harness.film(Prompt="A cat\nA dog")
    harness.clock.pass_by(3650 * DAY_S)
    found = orphans.find(harness.services)
    assert (found.missing, found.unknown, found.unused, found.strange, found.young) == ([], [], [], [], 0)


def test_an_object_without_a_row_is_found_when_no_step_can_still_want_it(harness: StageHarness) -> None:
    harness.film(Prompt="A cat")
    left = put(harness, f"clips/aa/{'a' * 60}.mp4")
    assert orphans.find(harness.services).young == 1
    harness.clock.pass_by(3650 * DAY_S)
    found = orphans.find(harness.services)
    assert [one.key for one in found.unknown] == [left]
    assert left in stored(harness), "finding deletes nothing"
    assert orphans.delete(harness.services, found) == 1
    assert left not in stored(harness)


def test_while_a_run_is_not_over_nothing_younger_than_it_is_an_orphan(harness: StageHarness) -> None:
    run = harness.until(harness.trigger(harness.row(Prompt="A cat")), "generating")
    with harness.services.store.write() as tx:
        tx.runs.change(run.id, created_at=0.0)
    put(harness, f"pieces/aa/piece-{'b' * 20}.mp4")
    harness.clock.pass_by(3650 * DAY_S)
    assert orphans.find(harness.services).unknown == []


def test_what_nothing_refers_to_any_more_is_found_and_leaves_the_count(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat")
    (clip,) = harness.clips(run)
    path = harness.services.work / "piece.mp4"
    path.write_bytes(b"a piece of work that was lost")
    lost = keep.keep(harness.services, run.id, path, f"pieces/aa/piece-{'c' * 20}.mp4", "video/mp4").key
    harness.clock.pass_by(3650 * DAY_S)
    found = orphans.find(harness.services)
    assert [one.key for one in found.unused] == [lost]
    orphans.delete(harness.services, found)
    assert clip.key in stored(harness)
    with harness.services.store.read() as tx:
        assert usage.stored_bytes(tx) == sum(one.size for one in stored(harness).values())


def test_a_row_whose_object_is_gone_is_found_and_objects_of_others_are_left(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat")
    (clip,) = harness.clips(run)
    harness.services.media.delete(clip.key)
    others = put(harness, "backups/of/somebody.tar")
    harness.clock.pass_by(3650 * DAY_S)
    found = orphans.find(harness.services)
    assert found.missing == [clip.key]
    assert [one.key for one in found.strange] == [others]
    orphans.delete(harness.services, found)
    assert others in stored(harness)
    assert harness.clips(run) == [clip], "what was paid stays in the history"


def test_sizes_that_an_upgrade_could_not_know_are_looked_up(harness: StageHarness) -> None:
    harness.film(Prompt="A cat")
    with harness.services.store.write() as tx:
        for row in tx.files.find(kind=FileKind.EXTRA):
            tx.files.change(row.id, size=0)
        (total,) = tx.file_totals.find(kind=FileKind.EXTRA)
        tx.file_totals.change(total.id, size=0)
    count, missing = orphans.check(harness.services)
    assert (count, missing) == (len(stored(harness)), [])
    with harness.services.store.read() as tx:
        assert usage.stored_bytes(tx) == sum(one.size for one in stored(harness).values())


# ---------------------------------------------------------------- STORAGE_LIMIT_GB


def limited(tmp_path: Path, used: float) -> StageHarness:
    """A deployment whose storage is filled to this part of its limit."""
    first = StageHarness.build(tmp_path / "first")
    first.film(Prompt="A cat")
    size = sum(one.size for one in stored(first).values())
    harness = StageHarness.build(tmp_path / "limited", storage_limit_bytes=size / used)
    harness.film(Prompt="A cat")
    return harness


def test_a_row_that_is_started_while_storage_is_full_says_so_and_goes_on_later(tmp_path: Path) -> None:
    harness = limited(tmp_path, 1.0)
    record, run = harness.film(Prompt="A dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "storage is full" in harness.cells(record)["Error"]
    assert "A dog" not in harness.bought


def test_an_order_of_the_api_is_refused_while_storage_is_full(tmp_path: Path) -> None:
    harness = limited(tmp_path, 1.0)
    order = Order(master_prompt="A dog", model="acme/film")
    with pytest.raises(StorageFull, match="GB"):
        accept.start(harness.services, accept.StartRequest(source="rest", order=order))
    with harness.services.store.read() as tx:
        assert tx.runs.count() == 1


def test_a_customer_is_refused_too_and_not_told_how_much_everybody_stores(tmp_path: Path) -> None:
    """Neither by the API nor in the row."""
    harness = limited(tmp_path, 1.0)
    who = accounts.create(harness.services, "ada").id
    view = dataclasses.replace(harness.services, store=harness.services.store.of(who))
    with pytest.raises(StorageFull) as refused:
        accept.start(view, accept.StartRequest(source="rest", order=Order(master_prompt="A dog", model="acme/film")))
    assert refused.value.marketer == StorageFull.default
    with harness.services.store.write() as tx:
        assert tx.bases.change(BASE, account_id=who)
    record, run = harness.film(Prompt="A dog")
    assert (run.status, run.account_id) == (RunStatus.NEEDS_ATTENTION, who)
    assert harness.cells(record)["Error"] == StorageFull.default


def test_from_four_fifths_on_it_is_warned(tmp_path: Path) -> None:
    harness = limited(tmp_path, 0.85)
    assert "(85%); at 100 % new films are refused" in (usage.warning(harness.services) or "")
    assert harness.film(Prompt="A dog")[1].status is RunStatus.DONE
    assert usage.warning(StageHarness.build(tmp_path / "empty", storage_limit_bytes=1e9).services) is None
