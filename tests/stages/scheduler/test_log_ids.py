"""What the lines of a step say of it, for whoever has only the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.logs import ContextFilter
from pipelines.net import telemetry
from pipelines.ports import trace
from pipelines.settings import load_settings
from pipelines.testing import NoCrashPoints
from tests.net.otlp_receiver import receiver
from tests.stages.spending.test_credits import LIST, customer, order
from tests.stages.stage_fixtures import STOPPED, StageHarness


class Told(NoCrashPoints):
    """Each point is a line."""

    def reach(self, name: str, **ids: str) -> None:
        logging.getLogger(__name__).info("point %s %s", name, ids)


@pytest.fixture(params=["traced", "untraced"])
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[bool]:
    if request.param == "untraced":
        yield False
        return
    with receiver() as collector:
        telemetry.start(load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, tmp_path))
        yield True
        trace.flush()
        trace.install(None)


def test_every_line_of_a_step_says_whose_it_is_and_what_it_costs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, traced: bool
) -> None:
    harness = StageHarness.build(tmp_path, prices=LIST, points=Told())
    account = customer(harness, 100)
    caplog.set_level(logging.DEBUG)
    caplog.handler.addFilter(ContextFilter())
    run = harness.until(order(harness, account, "a fox"), *STOPPED)
    assert run.status is RunStatus.DONE
    about = [line.__dict__ for line in caplog.records if line.__dict__.get("run_id") == run.id]
    swept = [line for line in about if line["message"].startswith("point poll.")]
    # A sweep asks about many at once, and reads whose they are only where it is linked to their traces anyway.
    assert {line.get("account_id") for line in swept} == {account if traced else None}
    assert {line["cost_usd"] for line in swept} == {"0.4"}
    assert {line.get("account_id") for line in about if line not in swept} == {account}
    costs = {line["cost_usd"] for line in about if "cost_usd" in line}
    assert costs == {"0.4"}
