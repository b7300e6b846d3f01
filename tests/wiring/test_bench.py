"""What the tables of `make bench` say of a busy machine and of another commit; nobody measures what they measure."""

from __future__ import annotations

import pytest

from tools.bench.measure.against import compared
from tools.bench.measure.calibration import Speed, between, scaled
from tools.bench.measure.rows import row
from tools.bench.run import SECTIONS, main


def test_a_bar_of_seconds_follows_the_machine_and_one_that_compares_does_not() -> None:
    busy = between(Speed(cpu=1.0, disk=9.0), Speed(cpu=3.0, disk=9.0))
    seconds = row("idle", "first answer, against 1.5 s", 2.4, 1.5, 1.0, unit="s", absolute=True)
    assert not seconds["ok"]
    assert (scaled(seconds, busy)["bar"], scaled(seconds, busy)["ok"]) == (2.0, True)
    assert not scaled({**seconds, "ratio": 2.01}, busy)["ok"]
    ratio = row("history", "hold", 2.4, 1.5, 1.5, unit="s")
    assert scaled(ratio, busy) == ratio


def test_a_fast_machine_gets_no_stricter_bars_and_what_has_none_gets_none() -> None:
    told = row("idle", "first answer", 1.4, 1.5, 1.0, absolute=True)
    assert scaled(told, Speed(cpu=0.5, disk=0.5)) == told
    only_said = row("idle", "notices", 9.0, 1.0, None, absolute=True)
    assert scaled(only_said, Speed(cpu=9.0, disk=9.0)) == only_said


def test_another_commit_is_held_against_this_one_by_the_median_of_its_turns() -> None:
    here = [[row("idle", "memory", ours, 210, 1.0, unit="MB")] for ours in (100.0, 300.0)]
    there = [[row("idle", "memory", ours, 351, 1.0), row("idle", "gone since", 1, 1, None)] for ours in (400.0, 400.0)]
    last, told = compared("idle", "46f2439", here, there)
    assert last == here[-1][0]
    assert told["name"] == "memory: now against 46f2439"
    assert (told["ours"], told["against"], told["ratio"], told["bar"]) == (200.0, 400.0, 0.5, None)


def test_an_unknown_section_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECTION", "speed")
    with pytest.raises(SystemExit, match=r"media.*not 'speed'"):
        main()
    assert len(set(SECTIONS)) == len(SECTIONS)
