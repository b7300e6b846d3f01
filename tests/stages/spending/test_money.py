"""What may be spent, what is charged, and what waits: caps, refusals, the Stop switch, a full disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.domain.catalogue import Ability
from pipelines.domain.errors import OverBudget, Refused
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import ApiKey, CustomerAccount, Generation, Run
from pipelines.domain.state.generation import GenerationRequest
from pipelines.net import disk_full_is_busy
from pipelines.ports import Stored
from pipelines.stages.decisions import control
from pipelines.stages.orders import accept
from pipelines.stages.scheduler import maintenance
from pipelines.stages.spending import ledger
from pipelines.stages.views import usage
from pipelines.storage import FileStore
from pipelines.testing import Outcome, ScriptedWriter
from pipelines.testing.airtable import BASE
from tests.stages.doubt_fixtures import doubtful_world, generations, order, problems
from tests.stages.stage_fixtures import StageHarness

SCENE = 400_000
"""Four seconds at ten cents."""


def stand(harness: StageHarness) -> dict[str, int]:
    with harness.services.store.read() as tx:
        return {name: tx.balance(name) for name in ("held", "committed", "spent")}


class TestCaps:
    """Every cap is checked in the transaction of the hold, and says the number that would do."""

    def test_of_one_run_over_rest_is_refused_at_once(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path, run_cap_micro=SCENE)
        with pytest.raises(OverBudget, match=r"\$0\.80"):
            order(harness, "a lamp", "a boat")

    def test_of_one_record(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path)
        _, run = harness.film(Prompt="a lamp\na boat", **{"Max Cost": 0.5})
        assert run.status is RunStatus.NEEDS_ATTENTION
        assert "Max Cost" in (run.error or "")
        assert harness.bought == []

    def test_of_the_day(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path, day_cap_micro=SCENE)
        first, second = order(harness, "a lamp"), order(harness, "a boat")
        harness.until(first, "done")
        run = harness.until(second, "needs_attention")
        assert "today's budget leaves $0.00 of $0.40" in (run.error or "")
        harness.clock.pass_by(24 * 3600.0)
        control.retry(harness.services, second, "ann")
        harness.until(second, "done")
        assert problems(harness) == ()

    def test_of_a_key(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path)
        with harness.services.store.write() as tx:
            tx.keys.add(ApiKey(id="key_1", name="zapier", sha256="0" * 64, day_cap_micro=SCENE))
        for number in range(2):
            record = harness.row(Prompt=f"a lamp {number}")
            request = accept.StartRequest(source="record", base_id=BASE, record_id=record)
            accept.start(harness.services, request, key_id="key_1")
        harness.settle()
        assert len(harness.bought) == 1
        with harness.services.store.read() as tx:
            (parked,) = tx.runs.find(status=RunStatus.NEEDS_ATTENTION)
        assert "the key zapier" in (parked.error or "")

    def test_of_a_key_counts_no_clip_that_is_there_already(self, tmp_path: Path) -> None:
        """An order without a row is refused at once only where the worker would refuse it, too."""
        harness = StageHarness.build(tmp_path)
        with harness.services.store.write() as tx:
            tx.keys.add(ApiKey(id="key_1", name="zapier", sha256="0" * 64, day_cap_micro=3 * SCENE))

        def made(request: accept.StartRequest) -> RunStatus:
            assert accept.dry_run(harness.services, request, key_id="key_1").problems == ()
            started = accept.start(harness.services, request, key_id="key_1")
            return harness.until(started.run_id, "done", "needs_attention").status

        assert made(_of_key("a lamp", "a boat")) is RunStatus.DONE
        for request in (_of_key("a lamp", "a bird", "a fish"), _of_key("a lamp", "a boat", fresh=True)):
            with pytest.raises(OverBudget, match=r"needs \$0\.80, but the key zapier leaves \$0\.40 of") as refused:
                accept.start(harness.services, request, key_id="key_1")
            estimated = accept.dry_run(harness.services, request, key_id="key_1")
            assert [problem.message for problem in estimated.problems] == [refused.value.marketer]
        assert made(_of_key("a lamp", "a bird")) is RunStatus.DONE
        # Nothing is left by now, and nothing is needed.
        assert made(_of_key("a bird", "a boat")) is RunStatus.DONE
        assert harness.bought == ["a lamp", "a boat", "a bird"]

    def test_a_retry_that_does_not_fit_changes_nothing(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path, day_cap_micro=2 * SCENE)
        harness.vendor().script("a lamp", Outcome.NO_CREDIT)
        stopped = harness.until(order(harness, "a lamp"), "needs_attention")
        harness.until(order(harness, "a boat", "a bird"), "done")
        with pytest.raises(OverBudget):
            control.retry(harness.services, stopped.id, "ann")
        assert harness.run(stopped.id).status is RunStatus.NEEDS_ATTENTION
        assert (stand(harness)["held"], problems(harness)) == (0, ())


def _of_key(*prompts: str, fresh: bool = False) -> accept.StartRequest:
    asked = Order(scenes=tuple(SceneOrder(prompt=prompt) for prompt in prompts), fresh=fresh)
    return accept.StartRequest(source="rest", order=asked, fresh=fresh)


class TestCharges:
    """Only what the provider charges is spent."""

    @pytest.mark.parametrize("outcome", [Outcome.REFUSE, Outcome.FLAG, Outcome.FAIL, Outcome.NO_CREDIT])
    def test_refusals_and_failures_cost_nothing(self, tmp_path: Path, outcome: Outcome) -> None:
        harness = StageHarness.build(tmp_path)
        harness.vendor().script("a lamp", outcome)
        harness.until(order(harness, "a lamp"), "needs_attention", "done")
        harness.settle()
        assert stand(harness) == {"held": 0, "committed": 0, "spent": 0}
        assert problems(harness) == ()

    def test_an_order_without_a_row_is_told_nothing_of_a_row(self, tmp_path: Path) -> None:
        """What was paid for an answer that declines leaves less of its Max Cost than the film needs."""
        harness = StageHarness.build(tmp_path, writer=ScriptedWriter(cost_micro=1_500))
        harness.writer.fail = declined = Refused(marketer="The writer declined.")
        declined.cost_micro = 1_500
        asked = Order(master_prompt="a lamp", scene_count=1, max_cost_micro=SCENE + 1_500)
        started = accept.start(harness.services, accept.StartRequest(source="rest", order=asked))
        harness.until(started.run_id, "failed")
        control.retry(harness.services, started.run_id, "ann")
        run = harness.until(started.run_id, "needs_attention")
        assert "but the order's Max Cost leaves $0.40 of" in (run.error or "")
        assert "Order the film again with a higher Max Cost" in (run.error or "")

    def test_words_are_part_of_the_cost(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path, writer=ScriptedWriter(cost_micro=1_500))
        record, run = harness.film(**{"Master Prompt": "a lamp", "Scene Count": 2})
        assert run.status is RunStatus.DONE
        assert stand(harness) == {"held": 0, "committed": 0, "spent": 2 * SCENE + 1_500}
        assert harness.cells(record)["Actual Cost"] == pytest.approx(0.8015)

    def test_a_damaged_clip_that_never_gets_better_counts_as_spent_and_is_not_bought_again(
        self, tmp_path: Path
    ) -> None:
        harness = StageHarness.build(tmp_path)
        harness.vendor().script("a lamp", Outcome.DAMAGED)
        run = harness.until(order(harness, "a lamp"), "needs_attention")
        assert (len(harness.bought), stand(harness)["spent"]) == (1, SCENE)
        assert (run.status, problems(harness)) == (RunStatus.NEEDS_ATTENTION, ())


class TestStop:
    """One switch stops new spending; runs wait where they are, say so, and go on when it is lifted."""

    def test_a_run_waits_before_anything_is_held_and_goes_on(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path)
        control.set_stop(harness.services, on=True, reason="checking the bill", actor="ann")
        run = order(harness, "a lamp")
        for _ in range(5):
            harness.work()
            harness.clock.pass_by(10.0)
        waiting = harness.run(run)
        assert (waiting.status, stand(harness)["held"]) == (RunStatus.QUEUED, 0)
        assert "Spending is stopped (checking the bill)" in waiting.detail
        control.set_stop(harness.services, on=False, reason="", actor="ann")
        harness.until(run, "done")

    def test_clips_that_are_planned_are_not_bought_while_it_is_on(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path)
        harness.points.at("scenes.planned", lambda: _stop(harness))
        run = order(harness, "a lamp")
        for _ in range(20):
            harness.work()
            harness.clock.pass_by(10.0)
        assert (harness.bought, harness.run(run).status) == ([], RunStatus.GENERATING)
        assert "Spending is stopped" in harness.run(run).detail
        control.set_stop(harness.services, on=False, reason="", actor="ann")
        harness.until(run, "done")

    def test_the_box_of_the_base_is_read_before_the_hold_and_stops_that_base_only(self, tmp_path: Path) -> None:
        harness = StageHarness.build(tmp_path)
        settings = harness.airtable.add("Settings", Name="This base", Stop_Spending=True)
        mine = harness.trigger(harness.row(Prompt="a lamp"))
        other = order(harness, "a boat")
        harness.until(other, "done")
        assert (harness.run(mine).status, harness.bought) == (RunStatus.QUEUED, ["a boat"])
        harness.airtable.edit("Settings", settings, Stop_Spending=False)
        harness.clock.pass_by(61.0)
        maintenance.Maintenance(harness.services).tick()
        harness.until(mine, "done")
        reads = [call for call in harness.airtable.calls if call.verb == "settings"]
        assert len(reads) <= 1 + harness.clock.now() // 60

    def test_a_doubt_is_not_sent_again_under_its_key_while_it_is_on(self, tmp_path: Path) -> None:
        harness = doubtful_world(tmp_path, Ability.KEY)
        harness.vendor().script("a lamp", Outcome.LOST, Outcome.SUCCEED)
        harness.points.at("reconcile.doubted", lambda: None)
        run = order(harness, "a lamp")
        while not generations(harness, run) or generations(harness, run)[0].status.value != "unknown":
            if not harness.work():
                harness.clock.pass_by(1.0)
            if harness.bought == [] and generations(harness, run):
                _stop(harness)
        for _ in range(5):
            harness.work()
            harness.clock.pass_by(10.0)
        assert harness.bought == []
        control.set_stop(harness.services, on=False, reason="", actor="ann")
        harness.until(run, "done")


def _stop(harness: StageHarness) -> None:
    control.set_stop(harness.services, on=True, reason="a test", actor="ann")


class _FullDisk(FileStore):
    """Storage on a device that is full until told otherwise."""

    full = True

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        if self.full:
            with disk_full_is_busy(), Path("/dev/full").open("wb", buffering=0) as device:
                device.write(path.read_bytes())
        return super().put_file(path, key, content_type, filename)


def test_what_is_paid_for_waits_on_a_full_disk_and_is_fetched_when_there_is_room(tmp_path: Path) -> None:
    media = _FullDisk(tmp_path / "media")
    harness = StageHarness.build(tmp_path, media=media)
    run = order(harness, "a lamp")
    for _ in range(600):
        harness.work()
        harness.clock.pass_by(2.0)
    assert (harness.bought, harness.run(run).status) == (["a lamp"], RunStatus.GENERATING)
    assert "disk is full" in harness.run(run).detail
    media.full = False
    harness.until(run, "done")
    assert (harness.bought, problems(harness)) == (["a lamp"], ())


def test_cancelling_keeps_what_is_paid_for_and_a_new_run_reuses_it(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    record = harness.row(Prompt="a lamp\na boat")
    run = harness.trigger(record)
    while len(harness.bought) < 2:
        harness.work()
    control.cancel(harness.services, run, "ann")
    harness.settle()
    assert (harness.run(run).status, stand(harness)) == (
        RunStatus.CANCELLED,
        {"held": 0, "committed": 0, "spent": 2 * SCENE},
    )
    again = harness.make(record)
    assert (again.status, len(harness.bought), problems(harness)) == (RunStatus.DONE, 2, ())


def test_an_audit_finds_money_that_belongs_to_nobody(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    run = harness.until(order(harness, "a lamp"), "done")
    with harness.services.store.write() as tx:
        ledger.hold(tx, harness.clock.now(), run, 1_000, harness.services.policy)
    assert any("hold" in problem for problem in problems(harness))


def test_usage_says_how_far_the_bill_is_from_our_figure(tmp_path: Path) -> None:
    """The first provider billed more than it lists, the second less, and the third tells nothing. To an account, what
    two keys that are not its own have spent is one sum.
    """
    harness = StageHarness.build(tmp_path)
    store, now = harness.services.store, harness.clock.now()
    with store.write() as tx:
        tx.accounts.add(CustomerAccount(id="acc_1", name="Ann"))
        for name, billed in (("1", SCENE + 2_000), ("2", SCENE - 500), ("3", None)):
            key_id = "key_of_two" if name == "2" else "key_of_one"
            run = Run(id=f"run_{name}", status=RunStatus.DONE, source="rest", account_id="acc_1", key_id=key_id)
            tx.runs.add(run)
            gen = _fetched(name, billed)
            tx.generations.add(gen)
            ledger.hold(tx, now, run, SCENE, harness.services.policy)
            ledger.reserve(tx, now, run, gen)
            ledger.capture(tx, now, run, gen, SCENE if billed is None else billed, 4.0)
    account = replace(harness.services, store=store.of("acc_1"))
    for services, by in ((harness.services, "day"), (harness.services, "record_id"), (account, "key_id")):
        (row,) = usage.rows(usage.usage(services, [by], None, None), {})
        told = {name: row[name] for name in ("spent_usd", "listed_usd", "billed_usd", "variance_usd", "generations")}
        assert told == {
            "spent_usd": 1.2015,
            "listed_usd": 0.8,
            "billed_usd": 0.8015,
            "variance_usd": 0.0015,
            "generations": 3,
        }
        assert row["seconds"] == 12.0


def _fetched(name: str, billed: int | None) -> Generation:
    return Generation(
        id=f"gen_{name}",
        run_id=f"run_{name}",
        scene_id=f"scene_of_{name}",
        status=GenerationStatus.FETCHED,
        provider="acme",
        model="acme/film",
        request=GenerationRequest(),
        idem_key=name,
        callback_token=name,
        reserve_micro=SCENE,
        billed_micro=billed,
    )
