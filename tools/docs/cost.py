"""docs/explanation/cost.md: what a film costs, counted in a traced run that comes out the same everywhere.

The film of a row goes from its trigger to *Done* in one process: stages, database and media code are the real ones,
provider and Airtable are the shipped fakes, and time passes only while nothing is due. What depends on the machine
(seconds, memory) is measured by `make bench` and not told here.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import av
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Kind
from pipelines.media.editor import MediaEditor
from pipelines.ports import Accept, GenerationRequest, Job, anything
from pipelines.stages.delivery import flush
from pipelines.stages.generations import poll
from pipelines.stages.orders import accept
from pipelines.testing import FixedClock, MemoryAirtable, ScriptedProvider, ScriptedProviders, make_services
from pipelines.testing.airtable import BASE
from pipelines.testing.services import STEPPED, ServicesHarness
from tools.stack import ROOT

PAGE = ROOT / "docs" / "explanation" / "cost.md"
SCENES, MORE = 4, 8
SECONDS, WIDTH, HEIGHT, RATE = 4.0, 1280, 720, 24
LATER_S = 600.0
"""So long after *Done* belongs to the film: Airtable fetches its files, and the run says what it did cost."""
_FORKS = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn"})

STATEMENTS, COMMITS, AIRTABLE, CALLS, PROCESSES = (
    "SQL statements",
    "commits",
    "Airtable calls",
    "provider calls",
    "processes started",
)
COLUMNS = (STATEMENTS, COMMITS, AIRTABLE, CALLS, PROCESSES)
STAGES: dict[str, str] = {
    "trigger": "the trigger, up to its answer",
    "queued": "reading the row, the plan and the money",
    "generations": "buying a clip, fetching it",
    "polls": "asking the provider how it is",
    "clips": "making a clip ready for the film",
    "generating": "looking whether all clips are there",
    "stitching": "joining and looking at the film",
    "delivering": "handing the film over",
    "cuts": "seeing that Airtable has it",
    "outbox": "writing into the base",
}

HEAD = f"""# What a film costs

Besides what its clips cost at the provider: how much a film asks of the database, of Airtable and of the machine. The
figures are counted in a film of {SCENES} scenes of {SECONDS:g} seconds that a row orders line by line, with a provider
that takes ten seconds, from the trigger until ten minutes after *Done*. They are the same on every machine, so a change
that makes one of them grow shows in the diff of this page.

<!-- tools/docs/cost.py writes this page from a traced run: change the code, not the page. -->
"""
TAIL = """Not in the table: while nothing is due, the pump looks at the database once a second for the whole deployment,
whatever it makes, and reads a base's settings at most once a minute. A clip that is not as it was ordered is encoded
again, which is one process more for it.

Seconds, memory and bytes depend on the machine: `make bench` measures them, each beside what no product could do
without. `make bench SECTION=history` shows that none of this grows with what was made before.
"""

Figures = Counter[tuple[str, str]]


class _Vendor(ScriptedProvider):
    """Its clips are of the ordered size and move, as bought ones do."""

    def fetch(self, job: Job, request: GenerationRequest, dest: Path, accept: Accept = anything) -> None:  # noqa: ARG002
        """The clip; each has bytes of its own."""
        dest.write_bytes(_clip() + struct.pack(">I4s", 8 + len(job.id), b"free") + job.id.encode())
        accept(dest)


@cache
def _clip() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(round(SECONDS * RATE)):
                frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
                for plane, value in zip(frame.planes, (64 + number, 110, 140), strict=True):
                    plane.update(bytes([value]) * plane.buffer_size)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return path.read_bytes()


@dataclass
class _Counter:
    """What was counted of a film, by stage and column; nothing while `stage` is None."""

    figures: Figures = field(default_factory=Counter)
    stage: str | None = None

    def add(self, column: str, number: int = 1) -> None:
        """Count something of the present stage."""
        if self.stage is not None and number:
            self.figures[self.stage, column] += number


_LISTENING: list[_Counter] = []


@cache
def _listen_for_processes() -> None:
    """By a hook of Python's, which stays for ever: so there is one."""
    sys.addaudithook(_heard)


def _heard(name: str, _arguments: object) -> None:
    if name in _FORKS:
        for counter in _LISTENING:
            counter.add(PROCESSES)


@dataclass(frozen=True)
class _Watched(ServicesHarness):
    """The hands of pump and workers, watched."""

    counter: _Counter = field(default_factory=_Counter)

    def work(self) -> bool:
        """One round of everything that is due."""
        with self.counting("polls"):
            worked = poll.poll_due(self.services) > 0
        for kind in STEPPED:
            for row, _ in self.services.store.due(kind, self.services.clock.now(), 500):
                worked = self.step(kind, row) or worked
        with self.counting("outbox"):
            return flush.flush_due(self.services) > 0 or worked

    def step(self, kind: str, row: str) -> bool:
        """One step; that of a run by its status."""
        with self.counting(self.run(row).status.value if kind == Kind.RUN else str(kind)):
            return ServicesHarness.step(self, kind, row)

    @contextmanager
    def counting(self, stage: str) -> Iterator[None]:
        """What happens meanwhile belongs to a stage."""
        airtable, vendor = cast("MemoryAirtable", self.services.airtable), self.services.providers.get("acme")
        calls = cast("_Vendor", vendor)
        before = len(airtable.calls), calls.polls + len(calls.asked)
        self.counter.stage = stage
        try:
            yield
        finally:
            self.counter.add(AIRTABLE, len(airtable.calls) - before[0])
            self.counter.add(CALLS, calls.polls + len(calls.asked) - before[1])
            self.counter.stage = None


def traced(scenes: int) -> Figures:
    """The film of a row with so many prompts, from its trigger until nothing of it is due any more."""
    _listen_for_processes()
    kept = random.getstate()
    # The pauses between polls are spread by chance.
    random.seed(SCENES)
    with tempfile.TemporaryDirectory() as folder:
        clock, counter = FixedClock(), _Counter()
        vendors = ScriptedProviders(_Vendor("acme", clock))
        services = make_services(Path(folder), clock=clock, editor=MediaEditor(), providers=vendors)
        engine = cast("SqlStore", services.store).engine
        event.listen(engine, "before_cursor_execute", lambda *_: counter.add(STATEMENTS))
        event.listen(engine, "commit", lambda *_: counter.add(COMMITS))
        prompts = "\n".join(f"A kite over field {number}" for number in range(1, scenes + 1))
        airtable = cast("MemoryAirtable", services.airtable)
        record = airtable.add(AirtableTable.VIDEOS, Prompt=prompts, Clip_Seconds=SECONDS)
        harness = _Watched(services, counter=counter)
        _LISTENING.append(counter)
        try:
            with harness.counting("trigger"):
                request = accept.StartRequest(source="record", base_id=BASE, record_id=record)
                run_id = accept.start(services, request).run_id
            harness.settle(patience_s=LATER_S)
        finally:
            _LISTENING.remove(counter)
            random.setstate(kept)
        run = harness.run(run_id)
        engine.dispose()
    if run.status is not RunStatus.DONE:
        raise AssertionError(f"the film is {run.status}: {run.error}")
    return counter.figures


@cache
def page() -> str:
    """The whole page."""
    # What a process starts once is not a film's.
    traced(1)
    few, many = traced(SCENES), traced(MORE)
    unknown = {stage for stage, _ in few + many} - set(STAGES)
    if unknown:
        raise AssertionError(f"stages without a sentence: {sorted(unknown)}")
    head = [f"| stage | {' | '.join(COLUMNS)} |", f"|---|{'--:|' * len(COLUMNS)}"]
    rows = [_row(words, [few[stage, column] for column in COLUMNS]) for stage, words in STAGES.items()]
    total = [_sum(few, column) for column in COLUMNS]
    more = [_sum(many, column) - _sum(few, column) for column in COLUMNS]
    each = [f"{number / (MORE - SCENES):g}" for number in more]
    rows += [_row("**all of it**", [f"**{number}**" for number in total]), _row("*each further scene*", each)]
    return "\n".join([HEAD, *head, *rows, "", TAIL])


def _row(words: str, figures: Sequence[int | str]) -> str:
    return f"| {words} | {' | '.join(map(str, figures))} |"


def _sum(figures: Figures, column: str) -> int:
    return sum(number for (_, name), number in figures.items() if name == column)


PAGES = {PAGE: page}
