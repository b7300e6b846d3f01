"""docs/explanation/what-happens-if-it-dies-here.md, from the table of crash points."""

from __future__ import annotations

from pipelines.domain.recovery.crash_points import CRASH_POINTS, CrashPoint
from tools.stack import ROOT

PAGE = ROOT / "docs" / "explanation" / "what-happens-if-it-dies-here.md"
HEAD = """# What happens if it dies here

A process may be killed between any two effects, and nothing is lost or paid for twice. Each place between two effects
has a name. The names below are the ones in the debug log (`point fetch.stored {...}`), and tests kill a process at
every single one.

<!-- tools/docs/inside/crash_points.py writes the tables from pipelines/domain/recovery/crash_points.py. -->

Three rules make every row true. What is committed in SQL is the truth; a hint in Redis is only a hint, and the pump
sends it again from the rows that are due. A step holds its row by a lease and commits only while the lease is still its
own, so a late twin commits nothing. Whatever is made gets its name from its content, so making it again is harmless.
"""
PROCESSES = {
    "web": ("In the web process", "It starts again within a second; a request without an answer was not accepted."),
    "worker": (
        "In a worker",
        """A killed horse is noticed at once, a whole dead machine within ten seconds by its missing heartbeat; then its
steps are taken over. Only the lease of a paid request lasts longer than the request itself can.""",
    ),
    "pump": ("In the pump", "It starts again at once and reads from SQL what is due. Two pumps at a time do no harm."),
}
TAIL = """## The one window that nobody can close alone

Between `submit.intended` and `submit.committed` a provider may have taken a paid request although we do not know its
id. What settles it is an ability of the provider: [how doubt is settled](../decisions/0010-ambiguous-submissions.md).

## Try it

`make chaos` kills every kind of process at random, loses and damages replies, and counts the emulated provider's bill.
The seed it prints repeats its choices:

```sh
make chaos RUNS=40 CLIPS=4 SEED=7d3 DATABASE=postgres ABILITY=list
```

`make chaos FAILURES=all` provokes ten failures one after the other, in a quarter of an hour, with a line for each:
how many clips were ordered, how many got lost, how many were paid twice, whether the books balance, and how long it
took. `FAILURES=3,9` provokes two.

| | failure |
|---|---|
| 1 | 200 triggers in ten seconds, half of them repeats |
| 2 | Airtable answers in ten seconds, then 429, then 503 |
| 3 | PostgreSQL is killed six times |
| 4 | Redis is full, then asks for another password, then is gone |
| 5 | storage is slow, then answers 500, 403 and 507 |
| 6 | the clock steps an hour back in mid-purchase, and an hour ahead again |
| 7 | a deployment rolls over: the new services first, then SIGTERM to the old ones |
| 8 | the former version on the next one's database |
| 9 | a machine stands still for longer than a lease |
| 10 | a backup is brought back that was made in mid-load |

A machine that is cut off the network while it buys, and one that dies as a whole, are in
`tests/chaos/test_three_machines.py`: as root only.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(process) for process in PROCESSES), TAIL])


def _section(process: str) -> str:
    title, about = PROCESSES[process]
    rows = [_row(point) for point in CRASH_POINTS.values() if point.process == process]
    return "\n".join(
        [f"## {title}\n", f"{about}\n", "| point | committed by then | afterwards |", "|---|---|---|", *rows, ""]
    )


def _row(point: CrashPoint) -> str:
    return f"| `{point.name}` | {point.committed} | {point.recovery} |"


PAGES = {PAGE: page}
