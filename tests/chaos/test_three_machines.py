"""Three machines: PostgreSQL, Redis, provider and web on one, a worker service on each of the others.

One loses its network while it buys, comes back when it counts as dead, and then the other dies as a whole.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.stages.scheduler.heartbeats import DEAD_AFTER_S
from tests.chaos.machines import FIRST, NOT_HERE, Machine, network, possible
from tools.chaos.harness import NOT_USED
from tools.chaos.outages import own_redis
from tools.chaos.points import Journal
from tools.chaos.product import COMMANDS, ProductStack
from tools.postgres import BINARIES, throw_away
from tools.stack import Service, Stack, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not possible(), reason=NOT_HERE),
    pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not on this machine"),
]
CUT_S = 25.0
"""Long enough that its processes count as dead, and its connections too."""
RUNS = 6


def buying_on(place: ProductStack, machine: Machine) -> list[str]:
    """Paid requests that are in the air from there at this moment."""
    with place.store.read() as tx:
        found = tx.generations.find(status=GenerationStatus.SUBMITTING)
    return [gen.id for gen in found if machine.name in (gen.lease_owner or "")]


def test_a_machine_that_is_cut_off_in_mid_purchase_and_one_that_dies_cost_nothing(tmp_path: Path) -> None:
    with ExitStack() as context:
        a, b = context.enter_context(network("machine-a", "machine-b"))
        postgres = context.enter_context(throw_away(FIRST))
        url, journal = postgres.fresh_url(), Journal(tmp_path / "var" / "chaos")
        settings = {"DATABASE_URL": url, "REDIS_URL": context.enter_context(own_redis(tmp_path, FIRST))[0], **NOT_USED}
        worker = f"{sys.executable} -m tools.chaos.worker"
        stack = Stack(
            tmp_path / "var",
            extra=settings | journal.environ(),
            sandbox_options=f"--host {FIRST}",
            commands=COMMANDS | {"worker": a.runs(worker)},
        )
        context.enter_context(stack)
        place = ProductStack(stack, journal, SqlStore(url))
        context.callback(place.store.engine.dispose)
        stack.sandbox("POST", "/vendors/_control", {"generation_s": 0.5, "palette": 4, "latency_s": 2.5})
        other = Service("b", b.runs(worker), stack.environ(), stack.var / "b.log")
        other.start()
        context.callback(other.stop, signal.SIGKILL)
        until(lambda: _machines(place) == {a.name, b.name}, "both worker services")

        runs = [place.order(f"machines-{number}", ability=("key", "list")[number % 2]) for number in range(RUNS)]
        cut = until(lambda: buying_on(place, b), "b to be buying", 60.0, 0.01)
        b.pull()
        began = time.monotonic()
        until(lambda: b.name not in _machines(place), "b to count as dead", 60.0)
        until(lambda: time.monotonic() - began > max(CUT_S, 2 * DEAD_AFTER_S), "the cut to last", 60.0, 0.5)
        with place.store.read() as tx:
            after = {gen.id: gen for gen in tx.generations.find(id=cut)}
        for gen in after.values():
            in_air = gen.status is GenerationStatus.SUBMITTING
            assert not in_air or b.name in (gen.lease_owner or ""), "the lease of a paid request is nobody else's"
        b.plug_in()
        until(lambda: b.name in _machines(place), "b to be back", 60.0)

        stack.services["worker"].stop(signal.SIGKILL)
        stack.sandbox("POST", "/vendors/_control", {"latency_s": 0})
        for run in runs:
            until(partial(_done, place, run), f"{run} to be done", 240.0, 0.5)
        place.check_books()
        bought = place.bought("machines-")
        assert (len(bought), len(set(bought))) == (2 * RUNS, 2 * RUNS), "each scene once"
        billed = sum(line["usd"] for line in stack.sandbox("GET", "/bill")["generations"] if line["charged"])
        quoted = sum(run.quote_micro or 0 for run in place.runs())
        assert round(billed * 1_000_000) <= quoted, "and nothing above what was quoted"


def _done(place: ProductStack, run_id: str) -> bool:
    return place.run(run_id).status is RunStatus.DONE


def _machines(place: ProductStack) -> set[str]:
    """Whose processes beat."""
    return {name.split("-p_")[0].partition("-")[2] for name in place.heartbeats()}
