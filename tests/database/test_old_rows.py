"""Rows that an earlier version wrote are read as if we had written them ourselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.database import SqlStore
from pipelines.database.tables import RECORDS
from pipelines.domain.limits import EVERYWHERE, StopSwitch
from pipelines.domain.records import Generation, Scene
from pipelines.stages.generations.requests import fingerprint, request_for
from tests.database import old_rows


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """Filled at revision 0001, then brought to the newest."""
    store = SqlStore(database_url)
    old_rows.upgrade(store.engine, "0001")
    store.filled = old_rows.fill(store.engine)  # type: ignore[attr-defined]
    store.migrate()
    yield store
    store.engine.dispose()


def test_every_row_is_there_and_goes_back_as_it_came(store: SqlStore) -> None:
    with store.read() as tx:
        rows = {name: getattr(tx, name).find() for name in RECORDS}
    assert sum(len(found) for found in rows.values()) == store.filled  # type: ignore[attr-defined]
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
    assert all(run.plan.quote_micro == run.quote_micro for run in runs if run.plan and run.status == "queued")
    assert all(scene.settings.width and scene.settings.buy_seconds for scene in scenes if scene.settings.max_prompt)
    assert any(scene.attempt_level.rewritten for scene in scenes)
    assert any(scene.attempt_level.placeholder for scene in scenes)
    assert all(gen.request.seconds and gen.request.card.take is not None for gen in generations if gen.fingerprint)
    assert all(clip.footage.fps and clip.footage.frames for clip in clips if clip.footage.video_codec)
    assert any(cut.verdict.sentence and cut.report.paths for cut in cuts)
    assert any(cut.attachment.verifications for cut in cuts)
    assert any(base.state.schema and base.state.schema.tables for base in bases)


def test_limits_faults_and_switches_are_told_apart(store: SqlStore) -> None:
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


def test_no_clip_is_bought_twice_because_its_request_reads_otherwise(store: SqlStore) -> None:
    with store.read() as tx:
        scenes = {scene.id: scene for scene in tx.scenes.find()}
        generations = [gen for gen in tx.generations.find(order="attempt") if gen.fingerprint]
    assert len(generations) > 10
    for gen in generations:
        assert fingerprint(gen.request, gen.request.card.take or 0) == gen.fingerprint
    asked = [(scenes[gen.scene_id], gen) for gen in generations if gen.fingerprint == scenes[gen.scene_id].fingerprint]
    assert len(asked) > 5
    for scene, gen in asked:
        assert _mark(scene, gen) == gen.fingerprint


def _mark(scene: Scene, gen: Generation) -> str:
    place = gen.request.card
    request = request_for(scene, place.total or 0, place.heading, first_frame=gen.request.first_frame)
    return fingerprint(request, scene.take)
