"""Who is declared dead, and by whom."""

from __future__ import annotations

from pipelines.stages.scheduler.heartbeats import DEAD_AFTER_S, Heartbeats


def watched(moments: list[float], own: list[int], other: list[int]) -> list[list[str]]:
    """What the pump `me` says at each moment of `other`, by the beats that it sees."""
    judge = Heartbeats("me")
    seen = zip(moments, own, other, strict=True)
    return [judge.dead({"me": mine, "other": theirs}, now) for now, mine, theirs in seen]


def every_second(seconds: int) -> list[float]:
    return [float(second) for second in range(seconds)]


def test_who_is_silent_while_the_judge_beats_is_dead() -> None:
    said = watched(every_second(11), list(range(11)), [7] * 11)
    assert said[: int(DEAD_AFTER_S) + 1] == [[]] * 9
    assert said[9] == ["other"]


def test_a_judge_whose_own_beat_stands_still_judges_nobody() -> None:
    assert watched(every_second(120), [1] * 120, [7] * 120) == [[]] * 120


def test_a_judge_who_looks_late_does_not_judge_by_what_it_missed() -> None:
    late = [0.0, 1.0, 61.0, 62.0, 63.0]
    assert watched(late, [1, 2, 3, 4, 5], [7, 7, 7, 8, 9]) == [[]] * 5


def test_after_it_was_late_everybody_has_the_whole_time_again() -> None:
    moments = [0.0, 1.0, *(61.0 + second for second in range(11))]
    said = watched(moments, list(range(13)), [7] * 13)
    assert said[:11] == [[]] * 11
    assert said[11] == ["other"]


def test_nobody_declares_itself_dead() -> None:
    judge = Heartbeats("me")
    assert [judge.dead({"me": 1}, now) for now in every_second(60)] == [[]] * 60


def test_a_judge_that_another_took_for_dead_judges_nobody_until_it_beats_again() -> None:
    judge = Heartbeats("me")
    judge.dead({"me": 1, "other": 7}, 0.0)
    said = [judge.dead({"other": 7}, now) for now in every_second(60)]
    assert said[6:] == [[]] * 54


def test_who_nobody_beats_for_judges_by_its_own_looks() -> None:
    judge = Heartbeats("me")
    assert [judge.dead({"other": 7}, now) for now in every_second(11)][9] == ["other"]
