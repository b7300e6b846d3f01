"""Several worker services on one database: a due row gets its hint from one of them, and always from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.stages.scheduler.dispatch_lease import RENEW_S, TAKE_OVER_S
from pipelines.testing import make_services
from worker.pump import RESEND_S, Dispatcher


class Broker:
    """Takes every hint, or none while it is away."""

    def __init__(self) -> None:
        self.sent, self.away = list[str](), False

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False, at_once: bool = False) -> bool:
        if not self.away:
            self.sent += [row for _, row in hints]
        return not self.away

    def check(self) -> None:
        """It answers."""


class Machines:
    """Worker services with one database and a time that passes as the test says."""

    def __init__(self, folder: Path) -> None:
        self.services, self.moment, self.rows = make_services(folder), 100.0, 0

    def start(self, *, shared_broker: bool = True) -> tuple[Dispatcher, Broker]:
        broker = Broker()
        services = replace(self.services, hints=broker)
        return Dispatcher(services, ("runs",), lambda: self.moment, shared_broker=shared_broker), broker

    def due(self) -> str:
        """One more run that somebody has to work on; those of before are seen to."""
        name, self.rows = f"run_{self.rows}", self.rows + 1
        with self.services.store.write() as tx:
            for row in tx.runs.find():
                tx.runs.change(row.id, next_at=None)
            run = Run(id=name, status=RunStatus.QUEUED, source="rest", next_at=self.services.clock.now())
            assert tx.runs.add(run)
        return name

    def pass_by(self, seconds: float, *pumps: Dispatcher) -> None:
        """In small steps, in each of which every pump that lives looks."""
        for _ in range(round(seconds / 0.5)):
            self.moment += 0.5
            for pump in pumps:
                pump.tick()


def test_one_of_three_sends_and_the_others_only_when_it_does_not_get_on(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    (one, first), (two, second), (three, third) = machines.start(), machines.start(), machines.start()
    rows = [machines.due()]
    assert [one.tick(), two.tick(), three.tick()] == [1, 1, 1], "its former self may be dead"
    machines.pass_by(RENEW_S)
    for _ in range(4):
        rows.append(machines.due())
        machines.pass_by(1.0, one, two, three)
        machines.pass_by(2.0, one, two, three)
    assert (first.sent, second.sent, third.sent) == (rows[:1], rows[:1], rows)

    machines.pass_by(4 * RESEND_S, one, two, three)
    assert set(first.sent + second.sent) == {rows[0]}, "a row that stays due is sent again by whom it was sent by"

    # The machine with the turn is gone, hangs, or has lost its broker.
    machines.due()
    machines.pass_by(TAKE_OVER_S - RESEND_S - 0.5, one, two)
    assert len(first.sent) == len(second.sent) == 1
    machines.pass_by(RESEND_S + 1.0, one, two)
    assert sorted([len(first.sent), len(second.sent)]) == [1, 2], "one of them, not both"
    held, other = (first, second) if len(first.sent) == 2 else (second, first)
    held.away, sent = True, len(other.sent)
    machines.pass_by(RESEND_S + TAKE_OVER_S + 2.0, one, two)
    assert len(other.sent) > sent, "whoever cannot reach the broker loses the turn"


def test_a_pump_that_was_killed_and_is_started_again_sends_at_once(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    for _ in range(3):
        pump, broker = machines.start()
        name = machines.due()
        assert (pump.tick(), broker.sent) == (1, [name])


def test_while_hints_go_out_the_database_is_written_to_once_a_second(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    pump, broker = machines.start()
    for _ in range(20):
        machines.due()
        machines.pass_by(0.5, pump)
    assert len(broker.sent) == 20
    with machines.services.store.read() as tx:
        (row,) = (one for one in tx.checkpoints.find() if one.id == "dispatch")
    assert row.entry <= 1 + 20 * 0.5 / RENEW_S


def test_services_with_brokers_of_their_own_all_have_work(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    started = [machines.start(shared_broker=False) for _ in range(2)]
    name = machines.due()
    machines.pass_by(1.0, *(pump for pump, _ in started))
    assert all(name in broker.sent for _, broker in started)
