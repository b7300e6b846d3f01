"""The database is lost in mid-work and its backup brought back: no clip is bought twice, and the books balance."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pipelines.database import SqlStore
from pipelines.database.backup import back_up, restore
from pipelines.domain.catalogue import Ability
from pipelines.domain.errors import NotAllowed
from pipelines.domain.footage import PosterStyle
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run
from pipelines.stages.decisions import control, in_doubt
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.recovery import after_restore
from pipelines.stages.spending import ledger
from pipelines.testing.fakes import ScriptedPictures, ScriptedSpeech
from tests.stages.doubt_fixtures import doubtful_world, generations, order, problems
from tests.stages.stage_fixtures import StageHarness


def saved(harness: StageHarness, folder: Path) -> Path:
    back_up(str(harness.services.store.url), folder / "saved.db")  # type: ignore[attr-defined]
    return folder / "saved.db"


def brought_back(harness: StageHarness, backup: Path) -> StageHarness:
    """The same deployment over the database of then; everything else is as it is now, and spending is stopped."""
    harness.clock.pass_by(60.0)
    url = f"sqlite:///{backup.with_name('back.db')}"
    restore(backup, url, harness.clock.now())
    return StageHarness(replace(harness.services, store=SqlStore(url)))


def look(harness: StageHarness, seconds: float = 300.0) -> after_restore.Report:
    """What a worker does while spending is stopped, for so long."""
    until = harness.clock.now() + seconds
    while harness.clock.now() < until:
        harness.work()
        harness.clock.pass_by(5.0)
    return after_restore.report(harness.services)


def go_on(harness: StageHarness) -> None:
    control.set_stop(harness.services, on=False, reason="", actor="operator")


@pytest.mark.parametrize("planned_before", [True, False])
def test_what_was_bought_after_the_backup_is_found_and_not_bought_again(tmp_path: Path, planned_before: bool) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    run_id = order(harness, "a lamp", "a boat")
    if planned_before:
        while not generations(harness, run_id):
            harness.step("runs", run_id)
    backup = saved(harness, tmp_path)
    harness.until(run_id, "done")
    lost = order(harness, "a kite of a run that the backup does not know")
    harness.until(lost, "done")
    back = brought_back(harness, backup)
    if not planned_before:
        # What was not even planned waits at the switch, and is looked for after it.
        go_on(back)
    report = look(back)
    assert (len(report.found), report.looking, report.in_doubt) == (2, (), ())
    assert [one.job.id for one in report.unclaimed] == ["acme-3"], "it is told, because nothing here knows it"
    go_on(back)
    back.until(run_id, "done")
    assert sorted(back.bought) == ["a boat", "a kite of a run that the backup does not know", "a lamp"]
    assert problems(back) == ()


def test_what_was_not_bought_is_bought_after_its_provider_was_asked(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    run_id = order(harness, "a lamp")
    back = brought_back(harness, saved(harness, tmp_path))
    go_on(back)
    back.until(run_id, "done")
    assert back.bought == ["a lamp"]
    report = after_restore.report(back.services)
    assert (report.not_bought, report.unclaimed, problems(back)) == (1, (), ())


@pytest.mark.parametrize("ability", [Ability.NONE, Ability.CALLBACK])
def test_where_nothing_can_be_looked_up_a_person_decides(tmp_path: Path, ability: Ability) -> None:
    harness = doubtful_world(tmp_path, ability)
    run_id = order(harness, "a lamp")
    backup = saved(harness, tmp_path)
    harness.until(run_id, "done")
    back = brought_back(harness, backup)
    go_on(back)
    back.until(run_id, "needs_attention")
    (doubt,) = after_restore.report(back.services).in_doubt
    assert back.bought == ["a lamp"]
    in_doubt.decide(back.services, doubt.id, "write_off", "operator")
    back.until(run_id, "done")
    assert (back.bought, problems(back)) == (["a lamp", "a lamp"], ()), "bought again, because a person said so"


@pytest.mark.parametrize("ability", [Ability.NONE, Ability.CALLBACK])
def test_a_job_that_a_person_finds_at_the_provider_is_not_bought_again(tmp_path: Path, ability: Ability) -> None:
    harness = doubtful_world(tmp_path, ability)
    run_id, other = order(harness, "a lamp"), order(harness, "a boat")
    backup = saved(harness, tmp_path)
    harness.until(run_id, "done")
    harness.until(other, "done")
    back = brought_back(harness, backup)
    go_on(back)
    back.until(run_id, "needs_attention")
    back.until(other, "needs_attention")
    doubts = {doubt.request.prompt: doubt.id for doubt in after_restore.report(back.services).in_doubt}
    with pytest.raises(NotAllowed) as unknown:
        in_doubt.name_job(back.services, doubts["a lamp"], "acme-99", "operator")
    in_doubt.name_job(back.services, doubts["a lamp"], "acme-1", "operator")
    assert "acme does not know acme-99" in unknown.value.marketer
    back.until(run_id, "done")
    for doubt in doubts.values():
        with pytest.raises(NotAllowed) as settled:
            in_doubt.name_job(back.services, doubt, "acme-1", "operator")
        assert re.search(r"of another generation|Nothing is in doubt", settled.value.marketer)
    in_doubt.name_job(back.services, doubts["a boat"], "acme-2", "operator")
    back.until(other, "done")
    assert (sorted(back.bought), problems(back)) == (["a boat", "a lamp"], ())
    with back.services.store.read() as tx:
        assert ledger.of_run(tx, run_id).spent == 400_000


def test_a_run_of_after_the_restore_buys_as_ever(tmp_path: Path) -> None:
    harness = doubtful_world(tmp_path, Ability.NONE)
    back = brought_back(harness, saved(harness, tmp_path))
    go_on(back)
    back.clock.pass_by(1.0)
    back.until(order(back, "a lamp"), "done")
    assert back.bought == ["a lamp"]


def test_a_database_that_was_never_restored_has_nothing_to_report(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    with pytest.raises(NotAllowed, match="--since"):
        after_restore.report(harness.services)


def made_again(harness: StageHarness, tmp_path: Path, run_id: str, *, planned_before: bool) -> tuple[StageHarness, Run]:
    """A run that was made after a backup, and is made once more after that was brought back."""
    while planned_before and not generations(harness, run_id):
        harness.step("runs", run_id)
    backup = saved(harness, tmp_path)
    harness.until(run_id, "done")
    back = brought_back(harness, backup)
    go_on(back)
    return back, back.until(run_id, "done")


@pytest.mark.parametrize("planned_before", [True, False])
def test_a_line_that_was_spoken_after_the_backup_is_found_in_storage(tmp_path: Path, planned_before: bool) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    scene = SceneOrder(prompt="a lamp", narration="It is dark.")
    asked = StartRequest(source="rest", order=Order(scenes=(scene,), voiceover=True, voice="acme/anna"))
    run_id = accept.start(harness.services, asked).run_id
    back, run = made_again(harness, tmp_path, run_id, planned_before=planned_before)
    speech = cast("ScriptedSpeech", back.services.speech)
    assert (len(speech.said), back.bought) == (1, ["a lamp"])
    with back.services.store.read() as tx:
        assert ledger.of_run(tx, run.id).spent == 400_000 + 10_000, "the money of then counts"
        (line,) = tx.purchases.find()
        assert [one.sound for one in tx.scenes.find(run_id=run_id)] == [line.file]
    assert problems(back) == ()


@pytest.mark.parametrize("planned_before", [True, False])
def test_a_picture_that_was_made_after_the_backup_is_found_in_storage(tmp_path: Path, planned_before: bool) -> None:
    harness = doubtful_world(tmp_path, Ability.LIST)
    scene = SceneOrder(prompt="a lamp")
    film = Order(title="Lumen", scenes=(scene,), scene_count=1, poster_style=PosterStyle.DESIGNED)
    run_id = accept.start(harness.services, StartRequest(source="rest", order=film)).run_id
    back, run = made_again(harness, tmp_path, run_id, planned_before=planned_before)
    pictures = cast("ScriptedPictures", back.services.pictures)
    assert (len(pictures.made), back.bought) == (1, ["a lamp"])
    with back.services.store.read() as tx:
        assert ledger.of_run(tx, run.id).spent == 400_000 + 30_000, "the money of then counts"
        (picture,) = tx.purchases.find()
        assert picture.file is not None
        assert tx.files.get(picture.file) is not None
    assert "poster_typeset" in back.cuts(run)[0].extras
    assert problems(back) == ()
