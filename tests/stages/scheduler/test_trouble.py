"""When vendors, limits or we ourselves fail: siblings are kept, waiting is no failure, a person is asked in the end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.domain.errors import NotAllowed, Refused, Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Event, InboxItem, QueueSweep, Replay
from pipelines.stages.decisions import control, regenerate
from pipelines.stages.scheduler import retention, steps
from pipelines.stages.scheduler.maintenance import clean_up
from pipelines.testing import CATALOGUE, Outcome
from tests.stages.stage_fixtures import StageHarness

DAY_S = 86_400.0


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


# ---------------------------------------------------------------- the refusal ladder and the fallback


def test_a_fickle_filter_is_asked_again(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.FLAG, Outcome.FLAG, Outcome.SUCCEED)
    _, run = harness.film(Prompt="A cat\nA dog", Model="acme/fickle")
    assert run.status is RunStatus.DONE
    assert harness.vendor().prompts.count("A dog") == 3
    assert harness.balanced()


def test_a_softened_prompt_is_used_where_the_row_allows_it(harness: StageHarness) -> None:
    harness.vendor().script("gently", Outcome.SUCCEED)
    harness.vendor().script("dog", Outcome.REFUSE)
    _, run = harness.film(Prompt="A cat\nA dog", **{"Allow Rewrite": True})
    assert run.status is RunStatus.DONE
    assert harness.bought == ["A cat", "gently: A dog"]


def test_softening_that_costs_something_never_starves_a_sibling(harness: StageHarness) -> None:
    harness.writer.cost_micro = 5_000
    harness.vendor().script("gently", Outcome.SUCCEED)
    harness.vendor().script("dog", Outcome.REFUSE)
    _, run = harness.film(Prompt="A cat\nA dog", **{"Allow Rewrite": True})
    assert run.status is RunStatus.DONE
    assert harness.balanced()


def test_a_refused_scene_goes_to_a_fallback_model_within_the_hold(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, fallback_models=("other/film",))
    harness.vendor().script("dog", Outcome.REFUSE)
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.DONE
    assert harness.vendor("other").prompts == ["A dog"]
    assert {row["Prompt"]: row["Model"] for row in harness.scene_rows()} == {
        "A cat": "acme/film",
        "A dog": "other/film",
    }
    harness.make(record)
    assert len(harness.bought) == 2


def test_a_placeholder_is_never_taken_for_a_clip_in_the_next_run(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.REFUSE)
    record, run = harness.film(Prompt="A cat\nA dog")
    control.cancel(harness.services, run.id, "test")
    harness.vendor().script("dog", Outcome.SUCCEED)
    second = harness.make(record)
    assert second.status is RunStatus.DONE
    assert harness.bought == ["A cat", "A dog"]


def test_a_refused_scene_can_be_regenerated_with_another_prompt(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.REFUSE)
    _, run = harness.film(Prompt="A cat\nA dog")
    regenerate.regenerate(harness.services, run.id, 2, {"prompt": "A puppy"}, "test")
    assert harness.until(run.id, "done", "needs_attention").status is RunStatus.DONE
    assert harness.bought == ["A cat", "A puppy"]


def test_a_failing_provider_gets_the_scene_again_then_another_does(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, fallback_models=("other/film",))
    harness.vendor().script("dog", Outcome.FAIL)
    _, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.DONE
    assert harness.vendor().prompts.count("A dog") == 3
    assert harness.vendor("other").prompts == ["A dog"]


def test_a_failing_provider_without_another_asks_and_retrying_keeps_the_siblings(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.FAIL)
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "Scene 2:" in harness.cells(record)["Error"]
    assert harness.held() == 0
    harness.vendor().script("dog", Outcome.SUCCEED)
    control.retry(harness.services, run.id, "test")
    assert harness.until(run.id, "done", "needs_attention").status is RunStatus.DONE
    assert harness.vendor().prompts.count("A cat") == 1


def test_an_account_without_credit_is_the_operators_and_loses_nothing(harness: StageHarness) -> None:
    harness.vendor().script("dog", Outcome.NO_CREDIT)
    record, run = harness.film(Prompt="A cat\nA dog")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "out of credit" in harness.cells(record)["Error"]
    assert len(harness.clips(run)) == 1


def test_a_master_prompt_that_the_writer_refuses_fails_with_its_sentence(harness: StageHarness) -> None:
    harness.writer.fail = Refused("policy", marketer="The text service refused this Master Prompt. Please change it.")
    record, run = harness.film(**{"Master Prompt": "Something"})
    assert run.status is RunStatus.FAILED
    assert harness.cells(record)["Error"].startswith("The text service refused")
    assert harness.held() == 0


# ---------------------------------------------------------------- our own limits


def test_waiting_for_a_free_place_is_no_failed_attempt(tmp_path: Path) -> None:
    narrow = {**CATALOGUE, "acme/film": replace(CATALOGUE["acme/film"], max_in_flight=1)}
    harness = StageHarness.build(tmp_path, catalogue=narrow)
    harness.vendor().ready_after_s = 20.0
    _, run = harness.film(Prompt="\n".join(f"Cat {n}" for n in range(4)))
    assert run.status is RunStatus.DONE
    times = [purchase.at for purchase in harness.vendor().bought]
    assert all(later - earlier >= 20 for earlier, later in pairwise(times))
    assert {gen.attempt for gen in harness.generations(run)} == {1}


def test_a_slow_create_rate_is_kept_and_is_no_failed_attempt(tmp_path: Path) -> None:
    slow = {**CATALOGUE, "acme/film": replace(CATALOGUE["acme/film"], creates_per_minute=2.0)}
    harness = StageHarness.build(tmp_path, catalogue=slow)
    _, run = harness.film(Prompt="\n".join(f"Cat {n}" for n in range(4)))
    times = [purchase.at for purchase in harness.vendor().bought]
    assert run.status is RunStatus.DONE
    assert times[-1] - times[0] >= 60


def test_the_stop_switch_only_delays_and_the_row_says_why(harness: StageHarness) -> None:
    record = harness.row(Prompt="A cat")
    control.set_stop(harness.services, on=True, reason="budget review", actor="test")
    run = harness.trigger(record)
    harness.settle(patience_s=300)
    assert harness.bought == []
    assert "budget review" in harness.run(run).detail
    assert "budget review" in harness.cells(record)["Status Detail"]
    control.set_stop(harness.services, on=False, reason="", actor="test")
    assert harness.until(run, "done", "needs_attention").status is RunStatus.DONE
    assert harness.events(harness.run(run), "retried") == []


def test_a_rate_limit_of_the_vendor_only_delays(harness: StageHarness) -> None:
    harness.vendor().script("cat", Outcome.RATE_LIMIT, Outcome.AWAY, Outcome.SUCCEED)
    _, run = harness.film(Prompt="A cat")
    assert run.status is RunStatus.DONE
    assert harness.bought == ["A cat"]


# ---------------------------------------------------------------- our own defects


def test_a_defect_in_a_step_is_tried_again(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, forgiving=True)
    run = harness.trigger(harness.row(Prompt="A cat"))
    harness.points.at("order.read", lambda: 1 / 0)
    assert harness.until(run, "done", "needs_attention").status is RunStatus.DONE
    assert harness.bought == ["A cat"]


def test_a_defect_that_stays_asks_a_person_and_can_be_retried(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, forgiving=True)
    harness.editor.broken = TypeError("a defect of ours")
    record, run = harness.film(Prompt="A cat")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "nothing you paid for is lost" in harness.cells(record)["Error"]
    harness.editor.broken = None
    control.retry(harness.services, run.id, "test")
    assert harness.until(run.id, "done", "needs_attention").status is RunStatus.DONE
    assert harness.bought == ["A cat"]


def test_a_late_twin_commits_nothing(harness: StageHarness) -> None:
    run = harness.trigger(harness.row(Prompt="A cat"))
    services = harness.services

    def overtake() -> None:
        """While this step reads, its lease runs out and another worker does the same step."""
        harness.clock.pass_by(61)
        other = replace(services, owner="another")
        assert steps.step(other, "runs", run)

    harness.points.at("order.read", overtake)
    assert steps.step(services, "runs", run)
    with services.store.read() as tx:
        assert tx.scenes.count(run_id=run) == 1
    assert harness.until(run, "done").status is RunStatus.DONE
    assert harness.bought == ["A cat"]
    assert harness.balanced()


def test_a_step_that_somebody_else_does_is_left_alone(harness: StageHarness) -> None:
    run = harness.trigger(harness.row(Prompt="A cat"))
    assert harness.services.store.claim("runs", run, owner="another", now=harness.clock.now(), seconds=60)
    assert not steps.step(harness.services, "runs", run)


def test_the_command_line_drives_a_run_to_its_end_alone(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    harness.vendor().ready_after_s = 0.0
    seen: list[RunStatus] = []
    run = harness.trigger(harness.row(Prompt="A cat", Model="local/animatic"))
    while steps.step(harness.services, "runs", run) and harness.run(run).status is not RunStatus.GENERATING:
        pass
    with harness.services.store.write() as tx:
        tx.runs.change(run, base_id=None, record_id=None)
    done = steps.drive(harness.services, run, on_change=lambda row: seen.append(row.status))
    assert done.status is RunStatus.DONE
    assert seen[-1] is RunStatus.DONE
    with pytest.raises(KeyError):
        steps.drive(harness.services, "run_none", on_change=lambda _row: None)


def test_a_film_that_is_put_together_again_may_tell_of_itself_in_other_words(harness: StageHarness) -> None:
    """The films are the same, byte for byte; what stands beside them need not be."""
    record = harness.row(Prompt="A cat")

    def die_late() -> None:
        with harness.services.store.write() as tx:
            for clip in tx.clips.find():
                tx.clips.change(clip.id, cost_micro=7)
        raise Unavailable("the database was away")

    harness.points.at("cut.stored", die_late)
    assert harness.make(record).status is RunStatus.DONE


# ---------------------------------------------------------------- keeping storage small


def test_only_what_is_over_and_old_is_deleted(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, keep_clips_s=30 * DAY_S, keep_cuts_s=60 * DAY_S)
    _, run = harness.film(Prompt="A cat", **{"Clip Seconds": 3})
    (clip,), (cut,) = harness.clips(run), harness.cuts(run)
    pieces = [key for key in clip.prepared.values() if key != clip.key]
    media = harness.services.media
    assert clean_up(harness.services) == 0
    harness.clock.pass_by(31 * DAY_S)
    assert clip.thumbnail in pieces
    assert clean_up(harness.services) == 3
    assert [media.stat(key) for key in (clip.key, *pieces)] == [None, None, None]
    assert media.stat(cut.key or "") is not None
    harness.clock.pass_by(30 * DAY_S)
    clean_up(harness.services)
    assert media.stat(cut.key or "") is None
    assert media.stat(cut.poster_key or "") is None


def test_a_clip_that_a_later_run_still_works_with_is_kept(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, keep_clips_s=30 * DAY_S)
    record, run = harness.film(Prompt="A cat")
    (clip,) = harness.clips(run)
    harness.clock.pass_by(29 * DAY_S)
    second = harness.until(harness.trigger(record), "stitching")
    harness.clock.pass_by(2 * DAY_S)
    clean_up(harness.services)
    assert harness.services.media.stat(clip.key) is not None
    assert harness.until(second.id, "done", "needs_attention").status is RunStatus.DONE


def test_what_is_deleted_is_bought_anew(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, keep_clips_s=30 * DAY_S)
    record, _ = harness.film(Prompt="A cat")
    harness.clock.pass_by(31 * DAY_S)
    clean_up(harness.services)
    assert harness.make(record).status is RunStatus.DONE
    assert harness.bought == ["A cat", "A cat"]


def test_a_paid_clip_of_a_run_that_waits_for_a_person_is_never_deleted(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, keep_clips_s=30 * DAY_S)
    harness.vendor().script("dog", Outcome.FAIL)
    _, run = harness.film(Prompt="A cat\nA dog")
    harness.clock.pass_by(365 * DAY_S)
    assert clean_up(harness.services) == 0
    assert len(harness.clips(run)) == 1


def test_an_old_run_cannot_be_taken_up_while_a_newer_one_of_its_row_moves(harness: StageHarness) -> None:
    record, first = harness.film(Prompt="A cat")
    harness.trigger(record)
    with pytest.raises(NotAllowed, match="Run 2 of this row is not over yet"):
        regenerate.regenerate(harness.services, first.id, 1, {}, "test")


def test_rows_that_only_guard_against_repeats_go_after_days_and_the_history_stays(harness: StageHarness) -> None:
    _, run = harness.film(Prompt="A cat")
    start, store = harness.clock.now(), harness.services.store
    with store.write() as tx:
        tx.inbox.add(InboxItem(id="acme:1", at=start, provider="acme"))
        tx.replays.add(Replay(id="key", body_hash="", at=start, status=202))
        tx.sweeps.add(QueueSweep(id="swp_over", base_id="app", created_at=start, finished_at=start))
        tx.sweeps.add(QueueSweep(id="swp_open", base_id="app", created_at=start))
        for run_id in (None, run.id):
            tx.events.add(Event(at=start, entity="airtable", entity_id="app", run_id=run_id, name="call"))
        events = tx.events.count(run_id=run.id)
    left = []
    for days in (1, 1.5, 6, 30):
        harness.clock.pass_by(days * DAY_S)
        retention.forget(harness.services)
        with store.read() as tx:
            left.append(
                [
                    tx.replays.count(),
                    tx.inbox.count(),
                    tx.events.count(run_id=None, entity="airtable"),
                    tx.sweeps.count(),
                ]
            )
    assert left == [[1, 1, 1, 2], [0, 1, 1, 2], [0, 0, 1, 2], [0, 0, 0, 1]]
    with store.read() as tx:
        assert tx.events.count(run_id=run.id) == events
        assert tx.sweeps.get("swp_open") is not None


def test_many_old_rows_go_in_several_transactions(harness: StageHarness) -> None:
    with harness.services.store.write() as tx:
        for number in range(retention.AT_ONCE + 1):
            tx.inbox.add(InboxItem(id=f"acme:{number}", at=harness.clock.now(), provider="acme"))
    harness.clock.pass_by(8 * DAY_S)
    assert retention.forget(harness.services) == retention.AT_ONCE + 1
