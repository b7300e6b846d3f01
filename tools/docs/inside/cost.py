"""docs/explanation/cost.md: what a film costs, counted in a traced run that comes out the same everywhere.

The film of a row goes from its trigger to *Done* in one process: stages, database and media code are the real ones,
provider and Airtable are the shipped fakes, and time passes only while nothing is due. What depends on the machine
(seconds, memory) is measured by `make bench` and not told here.
"""

from __future__ import annotations

import random
import resource
import struct
import sys
import tempfile
import threading
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
from pipelines.database.statements import USUAL, asked_for
from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Kind
from pipelines.media.editor import MediaEditor
from pipelines.ports import Accept, GenerationRequest, Job, Stored, anything
from pipelines.stages.delivery import flush
from pipelines.stages.generations import poll
from pipelines.stages.kernel.leases import RENEW_S
from pipelines.stages.orders import accept
from pipelines.storage.files import FileStore
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

STATEMENTS, COMMITS, AIRTABLE, CALLS, PROCESSES, COPIES = (
    "SQL statements",
    "commits",
    "Airtable calls",
    "provider calls",
    "processes started",
    "videos copied",
)
COLUMNS = (STATEMENTS, COMMITS, AIRTABLE, CALLS, PROCESSES, COPIES)
MEASURED = CPU, BYTES = "CPU", "bytes copied"
"""Told by `make bench SECTION=cost`."""
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

<!-- tools/docs/inside/cost.py writes this page from a traced run: change the code, not the page. -->
"""
TAIL = f"""Not in the table: while nothing is due, the pump looks at the database once a second for the whole
deployment, whatever it makes, and reads a base's settings at most once a minute. A clip that is not as it was ordered
is encoded again, which is one process more for it. A step that takes longer than {RENEW_S:g} seconds, as on a busy
machine, renews its lease that often by one statement and one commit.

A video is copied when it is put into storage: each clip as it came and, where something had to be changed, ready for
the film, and the film's preview. The film itself is written once: storage on this machine's disk gives it a second
name, a bucket uploads it. Joining reads the clips where they are.

Seconds, memory and bytes depend on the machine: `make bench` measures them, each beside what no product could do
without. `make bench SECTION=cost` tells the CPU and the bytes of each of these stages. On 2026-11-29 this film took
5.1 s of CPU on a busy machine: 73 % for making the four clips ready, which are not as ordered here and so are
encoded, 12 % for contact sheet and preview after Airtable had the film, 6 % for joining and looking at it, 4 % for
fetching the clips, and 5 % for all the rest. On 2026-11-30 1.06 times the bytes of the clips were copied into storage:
once the clips, 3 % each for the clips made ready and for contact sheet and preview, and the film's poster. `make bench
SECTION=history` shows that none of this grows with what was made before.
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
    measured: Figures = field(default_factory=Counter)
    """CPU in microseconds and bytes, which are not the same each time."""
    stage: str | None = None
    asked: set[str] = field(default_factory=set)
    """Which statements its steps asked for."""
    thread: int = field(default_factory=threading.get_ident)

    def asked_database(self, column: str) -> None:
        """Count what a step asks of the database; how often a slow machine renews its lease is another thread's."""
        if threading.get_ident() == self.thread:
            self.add(column)

    def add(self, column: str, number: int = 1) -> None:
        """Count something of the present stage."""
        if self.stage is not None and number:
            figures = self.measured if column in MEASURED else self.figures
            figures[self.stage, column] += number


_LISTENING: list[_Counter] = []


@cache
def _listen_for_processes() -> None:
    """By a hook of Python's, which stays for ever: so there is one."""
    sys.addaudithook(_heard)


def _heard(name: str, _arguments: object) -> None:
    if name in _FORKS:
        for counter in _LISTENING:
            counter.add(PROCESSES)


class _CountingStore(FileStore):
    """Counts the bytes that are copied into it and out of it: clips and films, and what is drawn from them."""

    def __init__(self, folder: Path, counter: _Counter) -> None:
        super().__init__(folder)
        self._counter = counter

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """As any store's."""
        stored = super().put_file(path, key, content_type, filename)
        self._copied(key, stored.size)
        return stored

    def fetch(self, key: str, dest: Path) -> None:
        """As any store's."""
        super().fetch(key, dest)
        self._copied(key, dest.stat().st_size)

    def _copied(self, key: str, size: int) -> None:
        self._counter.add(BYTES, size)
        self._counter.add(COPIES, int(key.endswith(".mp4")))


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
        stage = self.run(row).status.value if kind == Kind.RUN else str(kind)
        with self.counting(stage), asked_for(self.counter.asked):
            return ServicesHarness.step(self, kind, row)

    @contextmanager
    def counting(self, stage: str) -> Iterator[None]:
        """What happens meanwhile belongs to a stage."""
        airtable, vendor = cast("MemoryAirtable", self.services.airtable), self.services.providers.get("acme")
        calls = cast("_Vendor", vendor)
        before, cpu = (len(airtable.calls), calls.polls + len(calls.asked)), _cpu_s()
        self.counter.stage = stage
        try:
            yield
        finally:
            self.counter.add(AIRTABLE, len(airtable.calls) - before[0])
            self.counter.add(CALLS, calls.polls + len(calls.asked) - before[1])
            self.counter.add(CPU, round(1e6 * (_cpu_s() - cpu)))
            self.counter.stage = None


def _cpu_s() -> float:
    """Of this process and of those that it has started and seen end."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def traced(scenes: int) -> Figures:
    """What is counted of a film of a row with so many prompts."""
    return trace(scenes).figures


def trace(scenes: int) -> _Counter:
    """The film of a row with so many prompts, from its trigger until nothing of it is due any more."""
    _listen_for_processes()
    kept = random.getstate()
    # The pauses between polls are spread by chance.
    random.seed(SCENES)
    with tempfile.TemporaryDirectory() as folder:
        clock, counter = FixedClock(), _Counter()
        vendors = ScriptedProviders(_Vendor("acme", clock))
        media = _CountingStore(Path(folder) / "media", counter)
        services = make_services(Path(folder), clock=clock, editor=MediaEditor(), providers=vendors, media=media)
        engine = cast("SqlStore", services.store).engine
        event.listen(engine, "before_cursor_execute", lambda *_: counter.asked_database(STATEMENTS))
        event.listen(engine, "commit", lambda *_: counter.asked_database(COMMITS))
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
    unknown = {stage for stage, _ in counter.figures} - set(STAGES)
    if unknown:
        raise AssertionError(f"stages without a sentence: {sorted(unknown)}")
    return counter


@cache
def _told() -> _Counter:
    """The film that the page is about."""
    # What a process starts once is not a film's.
    traced(1)
    return trace(SCENES)


@cache
def page() -> str:
    """The whole page."""
    few, many = _told().figures, traced(MORE)
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


def usual() -> str:
    """The statements that the steps of a film ask for, one a line."""
    return "[\n" + ",\n".join(sorted(_told().asked)) + "\n]\n"


PAGES = {PAGE: page, USUAL: usual}
