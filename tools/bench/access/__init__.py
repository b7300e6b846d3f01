"""What selling to many costs whoever orders, and what 200 who watch cost whoever else asks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tools.bench.access import book, streams
from tools.bench.measure.rows import Claim, row

BOOK_BAR, STREAMS_BAR = 1.3, 3.0


def rows() -> list[Claim]:
    """Both sides of each claim in the same run; the load of the machine is said with them."""
    with tempfile.TemporaryDirectory(prefix="reelgrid-bench-") as name:
        full, empty = book.latencies(Path(name))
        beside, alone = streams.pings(Path(name) / "streams")
    load = f"load {os.getloadavg()[0]:.0f}"
    ordered = f"an order of a customer, {book.ACCOUNTS:,} accounts and {book.ENTRIES:,} entries against an empty book"
    watched = f"/health beside {streams.STREAMS} streams of events, against its time alone"
    return [
        row("access", f"{ordered} ({load})", full, empty, BOOK_BAR, unit="s"),
        row("access", f"{watched} ({load})", beside, alone, STREAMS_BAR, unit="s"),
    ]
