"""The ten failures that a strict operator provokes: nothing lost, nothing paid twice, and every row truthful."""

from __future__ import annotations

import pytest

from tools.chaos import failures
from tools.postgres import BINARIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("failures")]

HERE = (2, 3, 4, 5, 6)
"""The others take a machine of their own for minutes: `make chaos FAILURES=all`, which also says how long each answer
took. Newer schemas and restored backups have tests of their own beside this one.
"""


@pytest.mark.parametrize("number", HERE)
def test_a_failure_loses_nothing_and_buys_nothing_twice(number: int) -> None:
    if number in failures.NEED_POSTGRES and not BINARIES:
        pytest.skip("PostgreSQL is not on this machine")
    found = failures.provoke(number)
    assert found.faults == ()
    assert (found.lost, found.doubled, found.balanced) == (0, 0, True)
