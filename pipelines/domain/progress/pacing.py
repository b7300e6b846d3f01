"""When a row is told how far its film is: often at first, then rarely, and never more than its budget of calls allows.

Airtable counts every call of a workspace, so a film has a budget that does not grow with the time its clips take.
"""

from __future__ import annotations

CALLS, CALLS_WITH_APPROVAL = 12, 14
"""What a film may cost, the first look at its base included."""
DELIVERY_CALLS = 4
"""Set aside for the end: the film, its Done, the scenes, the version."""
ROWS_A_CALL = 10
FIRST_S, EVERY_S = 300.0, 59.7
"""In the first five minutes a row is told every minute."""
_COVERED_S = FIRST_S - EVERY_S - 2.5
"""Whoever was told after this is next told when the five minutes are over."""
_GROWTH = 2.5
"""Later words come each time so many times later than the one before: after 10 minutes, then 25, then an hour."""


def calls_left(used: int, *, scenes: int, approval: bool, first_look: bool) -> int:
    """What a film may still spend on progress, when `used` calls were made for it and its delivery is set aside.

    More than ten scenes take another call when they are made and when they are done. `first_look`: the base had to be
    looked at first.
    """
    more_pages = max(0, -(-scenes // ROWS_A_CALL) - 1)
    budget = (CALLS_WITH_APPROVAL if approval else CALLS) + 2 * more_pages
    return budget - used - DELIVERY_CALLS - more_pages - int(first_look)


def next_progress_s(elapsed_s: float, left: int) -> float | None:
    """How long after a word about progress the next one is due, `elapsed_s` after the clips were begun; None when the
    calls that are left are needed for the film itself.
    """
    if left <= 0:
        return None
    if elapsed_s < _COVERED_S:
        return EVERY_S
    return max(elapsed_s * (_GROWTH - 1.0), FIRST_S)
