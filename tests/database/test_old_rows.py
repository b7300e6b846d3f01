"""Rows that an earlier version wrote are read as if we had written them ourselves."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from pipelines.database import SqlStore
from pipelines.database.tables import RECORDS
from pipelines.domain.lifecycle import Reason
from pipelines.domain.limits import EVERYWHERE, StopSwitch
from pipelines.domain.orders.order import words_of
from pipelines.domain.records import Generation, Scene
from pipelines.domain.stored_files import kind_of
from pipelines.stages.generations.requests import fingerprint, request_for
from tests.database import old_rows

TOLD = ("quoted_micro", "spent_micro", "generations", "refused", "failed")
DERIVED = ("balances", "day_totals", "files", "file_totals")
"""Made of other rows when the database was brought up to date."""


class Upgraded(NamedTuple):
    """A database that was filled at revision 0001 and then brought to the newest."""

    url: str
    rows: int


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('upgraded') / 'truth.db'}"
    else:
        url = request.getfixturevalue("postgres").fresh_url()
    store = SqlStore(url)
    old_rows.upgrade(store.engine, "0001")
    rows = old_rows.fill(store.engine)
    store.migrate()
    store.engine.dispose()
    return Upgraded(url, rows)


@pytest.fixture
def store(upgraded: Upgraded, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """A copy of it."""
    if upgraded.url.startswith("sqlite"):
        shutil.copy(upgraded.url.removeprefix("sqlite:///"), tmp_path / "truth.db")
        store = SqlStore(f"sqlite:///{tmp_path / 'truth.db'}")
    else:
        store = SqlStore(request.getfixturevalue("postgres").fresh_url(upgraded.url.rpartition("/")[2]))
    yield store
    store.engine.dispose()


def test_every_row_is_there_and_goes_back_as_it_came(store: SqlStore, upgraded: Upgraded) -> None:
    with store.read() as tx:
        rows = {name: getattr(tx, name).find() for name in RECORDS}
    assert sum(len(found) for name, found in rows.items() if name not in DERIVED) == upgraded.rows
    with store.write() as tx:
        for name in ("runs", "scenes", "generations", "clips", "cuts"):
            for row in rows[name]:
                columns = {field: getattr(row, field) for field in row.__dataclass_fields__ if field != "id"}
                assert getattr(tx, name).change(row.id, **columns)
    with store.read() as tx:
        assert {name: getattr(tx, name).find() for name in RECORDS} == rows


def test_what_was_said_in_them_is_understood(store: SqlStore) -> None:
    with store.read() as tx:
        runs, scenes, generations = tx.runs.find(), tx.scenes.find(), tx.generations.find()
        clips, cuts, bases = tx.clips.find(), tx.cuts.find(), tx.bases.find()
    plans = [run.plan for run in runs if run.plan]
    assert any(scene.airtable_record_id for plan in plans for scene in plan.scenes), "by its name of before"
    assert all(run.words == words_of(run.order, run.record_id) for run in runs)
    assert any(run.words for run in runs)
    assert all(run.plan.quote_micro == run.quote_micro for run in runs if run.plan and run.status == "queued")
    assert all(scene.settings.width and scene.settings.buy_seconds for scene in scenes if scene.settings.max_prompt)
    assert any(scene.attempt_level.rewritten for scene in scenes)
    assert any(scene.attempt_level.placeholder for scene in scenes)
    assert all(gen.request.seconds and gen.request.card.take is not None for gen in generations if gen.fingerprint)
    assert all(clip.footage.fps and clip.footage.frames for clip in clips if clip.footage.video_codec)
    assert any(cut.verdict.sentence and cut.report.paths for cut in cuts)
    assert any(cut.attachment.verifications for cut in cuts)
    assert any(base.state.schema and base.state.schema.tables for base in bases)


def test_limits_faults_and_switches_are_differing_prices(store: SqlStore) -> None:
    with store.read() as tx:
        (stop,), (circuit,), (outage,) = tx.stop_switches.find(), tx.circuits.find(), tx.base_outages.find()
        (limit,), (pace,) = tx.rate_limits.find(), tx.airtable_paces.find()
    assert (stop.id, stop.on, stop.actor) == ("appMemory00000001", False, "airtable")
    assert circuit.is_open
    assert ":" not in circuit.id
    assert [ok for _, ok in circuit.outcomes] == [False] * 8
    assert (outage.id, outage.on, outage.by_itself) == ("appMemory00000001", False, False)
    assert "revoked" in outage.sentence
    assert limit.id == "settings:appMemory00000001"
    assert (pace.id, len(pace.landed), pace.quota) == ("appReelgridDemo01", 2, None)


def test_a_version_that_knows_no_table_for_each_limit_still_sees_a_stop(database_url: str) -> None:
    store = SqlStore(database_url)
    store.migrate()
    with store.write() as tx:
        tx.stop_switches.add(StopSwitch(id=EVERYWHERE, on=True, at=1.0, reason="Too dear"))
    old_rows.downgrade(store.engine, "0006")
    store.migrate()
    with store.read() as tx:
        assert tx.stop_switches.get(EVERYWHERE) == StopSwitch(id=EVERYWHERE, on=True, at=1.0, reason="Too dear")
    store.engine.dispose()


def test_a_version_that_knows_no_archive_still_finds_all_of_the_books(store: SqlStore) -> None:
    with store.read() as tx:
        runs = [run.id for run in tx.runs.find()]
        before = ({name: tx.balance(name) for name in ("held", "committed", "spent")}, tx.events.count())
    with store.write() as tx:
        tx.archive(runs)
        assert tx.ledger_archive.count() > 0
        assert tx.event_archive.count() > 0
    old_rows.downgrade(store.engine, "0011")
    store.migrate()
    with store.read() as tx:
        assert ({name: tx.balance(name) for name in before[0]}, tx.events.count()) == before
        assert (tx.ledger_archive.count(), tx.balances.count(kind="run") > 0) == (0, True)


def test_what_was_quoted_and_not_made_before_is_in_the_totals_of_days(store: SqlStore) -> None:
    """Also of what was put away, and after the way back to a version that did not know."""

    def told() -> list[tuple[object, ...]]:
        with store.read() as tx:
            return [(*row.key, *(getattr(row, name) for name in TOLD)) for row in tx.usage(["day", "model"])]

    with store.read() as tx:
        runs = [run.id for run in tx.runs.find()]
        quoted = sum(entry.amount for entry in tx.ledger.find(account="committed", posting="reserve"))
        failed = [gen.reason for gen in tx.generations.find(status="failed")]
        sums = [sum(getattr(row, name) for row in tx.usage(["day"])) for name in ("quoted_micro", "refused", "failed")]
    refused = failed.count(Reason.REFUSED)
    assert sums == [quoted, refused, len(failed) - refused]
    assert len(failed) > refused
    before = told()
    with store.write() as tx:
        tx.archive(runs[: len(runs) // 2])
    old_rows.downgrade(store.engine, "0027")
    store.migrate()
    assert told() == before


def test_no_clip_is_bought_twice_because_its_request_reads_otherwise(store: SqlStore) -> None:
    with store.read() as tx:
        scenes = {scene.id: scene for scene in tx.scenes.find()}
        generations = [gen for gen in tx.generations.find(order="attempt") if gen.fingerprint]
    assert len(generations) > 10
    for gen in generations:
        assert fingerprint(gen.request, gen.request.card.take or 0, None) == gen.fingerprint
    asked = [(scenes[gen.scene_id], gen) for gen in generations if gen.fingerprint == scenes[gen.scene_id].fingerprint]
    assert len(asked) > 5
    for scene, gen in asked:
        assert _mark(scene, gen) == gen.fingerprint


def _mark(scene: Scene, gen: Generation) -> str:
    place = gen.request.card
    request = request_for(scene, place.total or 0, place.heading, first_frame=gen.request.first_frame)
    return fingerprint(request, scene.take, None)


DAMAGED = (
    "UPDATE runs SET status = 'lost', source = 'a dream', approval = 'perhaps', quote_micro = -5 WHERE id = '{run}'",
    "UPDATE scenes SET status = 'Lost', clip_id = NULL WHERE run_id = '{run}'",
    "UPDATE generations SET status = 'lost', reason = 'none', cost_micro = -1 WHERE run_id = '{run}'",
    "UPDATE cuts SET status = 'lost', key = 'films/a.mp4'",
    "UPDATE ledger SET account = 'purse'",
    "UPDATE clips SET generation_id = 'gen_of_nobody', run_id = 'run_of_nobody'",
)


def test_rows_that_no_version_wrote_do_not_stop_an_upgrade(database_url: str) -> None:
    """What a repair by hand left: words of nobody become careful ones, and what cannot be guessed stays as it is."""
    store = SqlStore(database_url)
    old_rows.upgrade(store.engine, "0001")
    old_rows.fill(store.engine)
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        run = connection.execute(text("SELECT run_id FROM generations LIMIT 1")).scalar_one()
        for statement in DAMAGED:
            connection.execute(text(statement.format(run=run)))
    store.migrate()
    with store.read() as tx:
        found, generations = tx.runs.get(run), tx.generations.find(run_id=run)
        assert found is not None
        assert (found.status, found.approval, found.quote_micro) == ("needs_attention", None, 0)
        assert found.source == ("record" if found.record_id else "rest")
        assert {scene.status for scene in tx.scenes.find(run_id=run)} == {"Queued"}
        assert {(gen.status, gen.reason, gen.cost_micro) for gen in generations} <= {
            ("unknown", reason, cost) for reason in ("provider_error", None) for cost in (0, None)
        }
        assert {cut.status for cut in tx.cuts.find()} == {"made"}
        assert {clip.run_id for clip in tx.clips.find()} == {"run_of_nobody"}
        assert tx.balance("purse") != 0, "nobody guesses about money"
        clip = tx.clips.find()[0]
    with store.write() as tx:
        assert tx.clips.change(clip.id, size=clip.size + 1), "an old row goes on living"
    with pytest.raises(IntegrityError), store.write() as tx:
        tx.clips.add(replace(clip, id="clip_new"))
    store.engine.dispose()


def test_every_file_that_is_named_has_a_row_and_is_counted(store: SqlStore) -> None:
    with store.read() as tx:
        files, totals = {row.id: row for row in tx.files.find()}, tx.file_totals.find()
        clips, cuts = tx.clips.find(deleted_at=None), [cut for cut in tx.cuts.find(deleted_at=None) if cut.key]
    named = {key for clip in clips for key in (clip.key, *clip.prepared.values())}
    named |= {key for cut in cuts for key in (cut.key, cut.poster_key, *cut.extras.values()) if key}
    assert set(files) == named
    assert {files[clip.key].size for clip in clips} == {clip.size for clip in clips}
    assert {row.kind for row in files.values()} >= {"clip", "cut", "extra"}
    assert all(row.kind == kind_of(row.id) for row in files.values())
    assert sum(total.files for total in totals) == len(files)
    assert sum(total.size for total in totals) == sum(row.size for row in files.values())


def test_ids_that_a_gateway_wraps_become_the_jobs_own_and_go_back(database_url: str) -> None:
    inside = "litellm:custom_llm_provider:openai;model_id:sora-2;video_id:video_9;deployment_id:7f"
    wrapped = f"video_{base64.b64encode(inside.encode()).decode()}"
    store = SqlStore(database_url)
    old_rows.upgrade(store.engine, "0001")
    old_rows.fill(store.engine)
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        asked = connection.execute(
            text("SELECT id FROM generations WHERE provider_id IS NOT NULL LIMIT 1")
        ).scalar_one()
        connection.execute(text(f"UPDATE generations SET provider_id = '{wrapped}' WHERE id = '{asked}'"))
    store.migrate()
    with store.read() as tx:
        (gen,) = tx.generations.find(provider_id="video_9")
        assert (gen.id, gen.wrapped_id, gen.job_id) == (asked, wrapped, wrapped)
        others = [other for other in tx.generations.find() if other.id != asked]
        assert {other.wrapped_id for other in others} == {None}
        assert all(other.job_id == (other.provider_id or "") for other in others)
    old_rows.downgrade(store.engine, "0029")
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT id FROM generations WHERE provider_id = :id"), {"id": wrapped})
        assert [row.id for row in rows] == [asked]
    store.engine.dispose()
