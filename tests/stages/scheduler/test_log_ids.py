"""What the lines of a step say of it, for whoever has only the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import RunStatus
from pipelines.logs import ContextFilter
from pipelines.testing import NoCrashPoints
from tests.stages.spending.test_credits import LIST, customer, order
from tests.stages.stage_fixtures import STOPPED, StageHarness


class Told(NoCrashPoints):
    """Each point is a line."""

    def reach(self, name: str, **ids: str) -> None:
        logging.getLogger(__name__).info("point %s %s", name, ids)


def test_every_line_of_a_step_says_whose_it_is_and_what_it_costs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    harness = StageHarness.build(tmp_path, prices=LIST, points=Told())
    account = customer(harness, 100)
    caplog.set_level(logging.DEBUG)
    caplog.handler.addFilter(ContextFilter())
    run = harness.until(order(harness, account, "a fox"), *STOPPED)
    assert run.status is RunStatus.DONE
    about = [line.__dict__ for line in caplog.records if line.__dict__.get("run_id") == run.id]
    # A sweep asks about many runs at once: of each it knows no more than which it is.
    told = [line for line in about if not line["message"].startswith("point poll.")]
    assert {line.get("account_id") for line in told} == {account}
    costs = {line["cost_usd"] for line in told if "cost_usd" in line}
    assert costs == {"0.4"}
