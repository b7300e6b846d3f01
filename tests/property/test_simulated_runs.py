"""A whole core on fakes, with people, providers and deaths in any order: a cheap form of deterministic simulation."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from pipelines.domain.catalogue import Ability
from pipelines.domain.errors import Permanent
from pipelines.domain.lifecycle import (
    CUT_TRANSITIONS,
    GENERATION_TRANSITIONS,
    MOVING,
    RUN_TRANSITIONS,
    GenerationStatus,
    RunStatus,
)
from pipelines.domain.recovery.crash_points import CRASH_POINTS
from pipelines.stages.decisions import control, in_doubt, regenerate
from pipelines.stages.spending import audit
from pipelines.testing import Outcome
from tests.stages.doubt_fixtures import doubtful_world, order

_G = GenerationStatus
TABLES: dict[str, Any] = {"run": RUN_TRANSITIONS, "generation": GENERATION_TRANSITIONS, "cut": CUT_TRANSITIONS}
DEADLY = sorted(name for name, point in CRASH_POINTS.items() if point.process != "web" and name != "dead.freed")
OUTCOMES = st.sampled_from(
    [Outcome.AMBIGUOUS, Outcome.LOST, Outcome.FAIL, Outcome.REFUSE, Outcome.RATE_LIMIT, Outcome.AWAY, Outcome.SUCCEED]
)
LONGEST_RUN_S = 12 * 3600.0


class Killed(BaseException):
    """SIGKILL, as far as a process can simulate its own."""


class Simulation(RuleBasedStateMachine):
    """Invariants: balanced books, legal histories, and nothing bought twice that nobody asked for twice."""

    runs: Bundle[str] = Bundle("runs")

    @initialize(ability=st.sampled_from([Ability.KEY, Ability.LIST, Ability.NONE]))
    def build(self, ability: Ability) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="simulation-")
        self.world = doubtful_world(Path(self.folder.name), ability)
        self.asked: Counter[str] = Counter()
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    # ------------------------------------------------------------ people

    @rule(target=runs, scenes=st.integers(1, 3), outcomes=st.lists(OUTCOMES, max_size=3))
    def order(self, scenes: int, outcomes: list[Outcome]) -> str:
        self.count += 1
        prompts = [f"run {self.count} shot {number}." for number in range(scenes)]
        self.asked.update(prompts)
        if outcomes:
            self.world.vendor().script(prompts[0], *outcomes, Outcome.SUCCEED)
        return order(self.world, *prompts)

    def _tolerated(self, act: Any) -> bool:
        try:
            act()
        except Permanent:
            return False
        return True

    @rule(run=runs)
    def cancel(self, run: str) -> None:
        self._tolerated(lambda: control.cancel(self.world.services, run, "ann"))

    @rule(run=runs)
    def retry(self, run: str) -> None:
        self._tolerated(lambda: control.retry(self.world.services, run, "ann"))

    @rule(run=runs)
    def regenerate(self, run: str) -> None:
        if self._tolerated(lambda: regenerate.regenerate(self.world.services, run, 1, {}, "ann")):
            with self.world.services.store.read() as tx:
                self.asked[tx.scenes.find(run_id=run, number=1)[0].prompt] += 1

    @rule(run=runs, choice=st.sampled_from(in_doubt.CHOICES))
    def decide(self, run: str, choice: str) -> None:
        with self.world.services.store.read() as tx:
            doubtful = tx.generations.find(run_id=run, status=_G.UNKNOWN, limit=1)
        for gen in doubtful:
            decided = self._tolerated(lambda gen=gen: in_doubt.decide(self.world.services, gen.id, choice, "ann"))
            if decided and choice != "wait":
                # Given up by a person: should the scene be bought again, it was asked for.
                self.asked[gen.request.prompt] += 1

    @rule(on=st.booleans())
    def stop_switch(self, on: bool) -> None:
        control.set_stop(self.world.services, on=on, reason="a test", actor="ann")

    # ------------------------------------------------------------ work and death

    @rule(rounds=st.integers(1, 6), seconds=st.floats(0, 90))
    def work(self, rounds: int, seconds: float) -> None:
        for _ in range(rounds):
            self._work()
        self.world.clock.pass_by(seconds)

    @rule(point=st.sampled_from(DEADLY), seconds=st.floats(0, 90))
    def die_at(self, point: str, seconds: float) -> None:
        """A process dies at its next visit of a point; its leases are free, but not that of a paid request."""

        def die() -> None:
            raise Killed(point)

        self.world.points.at(point, die)
        self.work(3, seconds)

    def _work(self) -> None:
        try:
            self.world.work()
        except Killed:
            self.world.services.store.release_owner(self.world.services.owner)

    @rule()
    def let_all_end(self) -> None:
        """Nothing stays in a moving status for ever, once the switch is off."""
        control.set_stop(self.world.services, on=False, reason="", actor="ann")
        end = self.world.clock.now() + LONGEST_RUN_S
        while self.world.clock.now() < end and self._moving():
            self._work()
            self.world.clock.pass_by(20.0)
        assert not self._moving()

    def _moving(self) -> list[str]:
        with self.world.services.store.read() as tx:
            return [f"{run.status}: {run.detail}" for run in tx.runs.find(status=tuple(MOVING))]

    # ------------------------------------------------------------ what must always hold

    @invariant()
    def the_books_balance(self) -> None:
        if hasattr(self, "world"):
            with self.world.services.store.read() as tx:
                assert audit.audit(tx).problems == ()

    @invariant()
    def nothing_is_bought_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        kept = Counter(p.request.prompt for p in self.world.vendor().bought if p.outcome is not Outcome.FAIL)
        assert not {prompt: count for prompt, count in kept.items() if count > self.asked[prompt]}

    @invariant()
    def every_history_is_legal_and_has_one_event_for_each_transition(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.world.services.store.read() as tx:
            events = tx.events.find(name="status")
            statuses: dict[str, str] = {run.id: run.status for run in tx.runs.find()}
            statuses |= {gen.id: gen.status for gen in tx.generations.find()}
        last: dict[str, str | None] = {}
        for event in events:
            assert event.old == last.get(event.entity_id, event.old)
            if event.old is not None:
                table = TABLES[event.entity]
                assert event.new in {str(status) for status in table[type(next(iter(table)))(event.old)]}
            last[event.entity_id] = event.new
        assert {name: last[name] for name in statuses} == {name: str(status) for name, status in statuses.items()}

    @invariant()
    def an_answered_trigger_is_never_lost(self) -> None:
        if hasattr(self, "world"):
            with self.world.services.store.read() as tx:
                for run in tx.runs.find(status=tuple(MOVING)):
                    waits_for_clips = run.status is RunStatus.GENERATING and tx.generations.count(run_id=run.id)
                    assert run.next_at is not None or waits_for_clips


TestSimulation = pytest.mark.slow(Simulation.TestCase)
TestSimulation.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
