"""Whatever happens in whatever order, the books balance and no cap is passed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from pipelines.domain.errors import OverBudget
from pipelines.domain.lifecycle import GENERATION_TRANSITIONS, OPEN, GenerationStatus, RunStatus
from pipelines.domain.money import subject
from pipelines.domain.policy import Policy
from pipelines.domain.records import ApiKey, Generation, Run
from pipelines.domain.state.generation import GenerationRequest
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.spending import audit, ledger
from pipelines.testing import make_services

_G = GenerationStatus
NOW = 1_795_521_600.0
TODAY = utc_day(NOW)
RUN_CAP, DAY_CAP, KEY_CAP = 3_000, 8_000, 5_000
AMOUNTS = st.integers(1, 2_500)


class LedgerMachine(RuleBasedStateMachine):
    """Runs hold, generations reserve, and each ends in one of the ways in which a generation can end."""

    runs: Bundle[str] = Bundle("runs")
    generations: Bundle[str] = Bundle("generations")

    @initialize()
    def open_books(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="ledger-")
        self.store = make_services(Path(self.folder.name)).store
        self.policy = Policy(run_cap_micro=RUN_CAP, day_cap_micro=DAY_CAP, default_model="acme/film")
        self.count, self.overrun = 0, 0
        with self.store.write() as tx:
            tx.keys.add(ApiKey(id="key", name="key", sha256="0" * 64, day_cap_micro=KEY_CAP))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count}"

    @rule(target=runs, amount=AMOUNTS, with_key=st.booleans())
    def hold(self, amount: int, *, with_key: bool) -> str:
        run = Run(id=self._id("run"), status=RunStatus.GENERATING, source="rest", key_id="key" if with_key else None)
        with self.store.write() as tx:
            tx.runs.add(run)
        try:
            with self.store.write() as tx:
                ledger.hold(tx, NOW, run, amount, self.policy)
        except OverBudget:
            with self.store.write() as tx:
                tx.runs.change(run.id, status=RunStatus.NEEDS_ATTENTION)
        return run.id

    @rule(target=generations, run_id=runs, amount=AMOUNTS)
    def reserve(self, run_id: str, amount: int) -> str:
        gen_id = self._id("gen")
        with self.store.write() as tx:
            run = _run(tx, run_id)
            status = _G.RUNNING if run.status is RunStatus.GENERATING and ledger.held(tx, run) >= amount else _G.FAILED
            gen = _generation(gen_id, run_id, status, amount)
            tx.generations.add(gen)
            if status is _G.RUNNING:
                ledger.reserve(tx, NOW, run, gen)
            else:
                _refused(lambda: ledger.reserve(tx, NOW, run, gen), expected=ledger.held(tx, run) < amount)
                tx.generations.change(gen_id, reserve_micro=0)
        return gen_id

    def _end(self, gen_id: str, to: GenerationStatus) -> tuple[Run, Generation] | None:
        """The open generation and its run, moved on; None when it has ended before."""
        with self.store.write() as tx:
            gen = tx.generations.get(gen_id)
            assert gen
            if gen.status not in OPEN:
                return None
            tx.generations.change(gen_id, status=to)
            return _run(tx, gen.run_id), gen

    @rule(gen_id=generations, percent=st.integers(0, 130))
    def capture(self, gen_id: str, percent: int) -> None:
        found = self._end(gen_id, _G.FETCHED)
        if found is None:
            return
        run, gen = found
        cost = gen.reserve_micro * percent // 100
        with self.store.write() as tx:
            tx.generations.change(gen_id, cost_micro=cost)
            ledger.capture(tx, NOW, run, gen, cost, 4.0)
        self.overrun += max(0, cost - gen.reserve_micro)

    @rule(gen_id=generations)
    def free(self, gen_id: str) -> None:
        with self.store.read() as tx:
            written_off = tx.balance("spent", generation_id=gen_id) > 0
        found = None if written_off else self._end(gen_id, _G.FAILED)
        if found is not None:
            with self.store.write() as tx:
                ledger.free(tx, NOW, *found)

    @rule(gen_id=generations)
    def write_off(self, gen_id: str) -> None:
        found = self._end(gen_id, _G.ABANDONED)
        if found is not None:
            with self.store.write() as tx:
                ledger.write_off(tx, NOW, *found)

    @rule(gen_id=generations)
    def turn_up_late(self, gen_id: str) -> None:
        with self.store.write() as tx:
            gen = tx.generations.get(gen_id)
            assert gen
            if gen.status is _G.ABANDONED:
                assert _G.ADOPTED in GENERATION_TRANSITIONS[_G.ABANDONED]
                tx.generations.change(gen_id, status=_G.ADOPTED)

    @rule(run_id=runs, status=st.sampled_from([RunStatus.CANCELLED, RunStatus.DONE, RunStatus.NEEDS_ATTENTION]))
    def stop(self, run_id: str, status: RunStatus) -> None:
        with self.store.write() as tx:
            tx.runs.change(run_id, status=status)
            ledger.release(tx, NOW, _run(tx, run_id))

    @rule(run_id=runs, cost=st.integers(0, 200))
    def pay_for_words(self, run_id: str, cost: int) -> None:
        with self.store.write() as tx:
            run = _run(tx, run_id)
            self.overrun += max(0, cost - ledger.held(tx, run))
            ledger.spend_text(tx, NOW, run, cost)

    @invariant()
    def the_books_balance(self) -> None:
        if hasattr(self, "store"):
            with self.store.read() as tx:
                assert audit.audit(tx).problems == ()

    @invariant()
    def no_cap_is_passed(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            assert ledger.of_all(tx, TODAY).used <= DAY_CAP + self.overrun
            assert tx.balance_of(subject("key", "key"), TODAY).used <= KEY_CAP + self.overrun
            for run in tx.runs.find():
                own = ledger.of_run(tx, run.id)
                assert own.exposure + own.spent <= RUN_CAP + self.overrun


def _run(tx: Tx, run_id: str) -> Run:
    run = tx.runs.get(run_id)
    assert run
    return run


def _generation(gen_id: str, run_id: str, status: GenerationStatus, amount: int) -> Generation:
    return Generation(
        id=gen_id,
        run_id=run_id,
        scene_id=f"scene_of_{gen_id}",
        status=status,
        provider="acme",
        model="acme/film",
        request=GenerationRequest(),
        idem_key=gen_id,
        callback_token=gen_id,
        reserve_micro=amount,
    )


def _refused(reserve: Callable[[], None], *, expected: bool) -> None:
    if not expected:
        return
    try:
        reserve()
    except OverBudget:
        return
    raise AssertionError("a reserve above the hold was granted")


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
