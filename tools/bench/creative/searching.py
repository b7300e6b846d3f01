"""How long somebody waits for films that are found by what they are about, among 100,000 scenes.

CPU seconds of who asks and of the process with the model: they hold however busy the machine is. The vectors are those
of real texts with noise, so that none of them is like another.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select

from pipelines.database import SqlStore
from pipelines.database.tables import TABLES
from pipelines.meaning import MODEL, LocalMeaning
from pipelines.stages.views import finding
from pipelines.testing import make_services
from tools.bench.history import past
from tools.bench.measure.rows import Claim, row

RUNS, SCENES_EACH = 25_000, 4
WORDS_S, MEANING_S = 0.150, 0.300
SUBJECTS = ("an astronaut", "a fox", "a chef", "a lighthouse keeper", "two children", "a train", "a perfume bottle")
PLACES = ("in the snow", "by the sea", "in a neon city", "under water", "in a busy kitchen", "at dawn", "on the moon")
QUERIES = [f"{subject} {place}" for subject in SUBJECTS for place in PLACES]


def rows() -> list[Claim]:
    """The rows of this section."""
    with tempfile.TemporaryDirectory(dir=past.HOME.parent) as folder, past.sqlite_copy(RUNS, Path(folder)) as url:
        store, meaning = SqlStore(url), LocalMeaning(url)
        _fill(store, meaning)
        services = make_services(Path(folder), store=store, clock=_Now(), meaning=meaning)
        until = time.monotonic() + 120.0
        while finding.find(services, "warm", limit=20).by != ("words", "meaning"):
            if time.monotonic() > until:
                raise RuntimeError("the model does not get warm")
        by_both = [_cost(meaning, partial(finding.find, services, text, limit=20)) for text in QUERIES]
        meaning.close()
        alone = make_services(Path(folder), store=store, clock=_Now())
        by_words = [_cost(None, partial(finding.find, alone, text, limit=20)) for text in QUERIES]
        store.engine.dispose()
    return [
        _row("search by words in 100,000 scenes: CPU, p95", by_words, WORDS_S),
        _row("search with meaning in 100,000 scenes, warm: CPU, p95", by_both, MEANING_S),
    ]


def _row(name: str, seconds: Sequence[float], most: float) -> Claim:
    return row("creative", name, statistics.quantiles(seconds, n=20)[-1], most, 1.0, unit="s", absolute=True)


class _Now:
    def now(self) -> float:
        return time.time()


def _cost(meaning: LocalMeaning | None, ask: Callable[[], object]) -> float:
    before = time.process_time() + _cpu_of(meaning)
    ask()
    return time.process_time() + _cpu_of(meaning) - before


def _cpu_of(meaning: LocalMeaning | None) -> float:
    """Of the process with the model, as the kernel counts it."""
    if meaning is None or meaning.pid is None:
        return 0.0
    fields = Path(f"/proc/{meaning.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fill(store: SqlStore, meaning: LocalMeaning) -> None:
    """A vector for each scene."""
    known = np.stack([np.frombuffer(one, np.int8) for text in QUERIES for one in meaning.embed([text])]).astype(float)
    rng, vectors, scenes = np.random.default_rng(0), TABLES["search_vectors"], TABLES["scenes"].c
    with store.engine.connect().execution_options(write=True) as connection, connection.begin():
        found = connection.execute(select(scenes.run_id, scenes.number).order_by(scenes.id)).all()
        at = time.time() - 3600
        for start in range(0, len(found), 5_000):
            some = found[start : start + 5_000]
            noisy = known[rng.integers(len(known), size=len(some))] + rng.normal(0, 30, (len(some), known.shape[1]))
            made = np.clip(np.rint(noisy), -127, 127).astype(np.int8)
            connection.execute(
                insert(vectors),
                [
                    {
                        "id": f"{one.run_id}:{one.number}:{MODEL}",
                        "run_id": one.run_id,
                        "scene": one.number,
                        "model": MODEL,
                        "account_id": None,
                        "text_hash": "",
                        "vector": vector.tobytes(),
                        "run_at": at,
                        "indexed_at": at + (start + place) / 50,
                    }
                    for place, (one, vector) in enumerate(zip(some, made, strict=True))
                ],
            )
