"""What the texts of films mean, put into numbers when a run is over, in the background."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice

from pipelines.domain.keys import digest
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Checkpoint, Run, Scene, SearchVector
from pipelines.ports import Meaning, Tx
from pipelines.stages.kernel.services import Services

SEARCHED_S = 365 * 86_400.0
"""A search that names no day looks through the last year: what it costs does not grow with history."""
RUNS_AT_ONCE, TEXTS_AT_ONCE = 4, 8
SETTLED_S = 5.0
"""A run that ended before another may be committed after it."""
MAX_TEXT = 600
"""The beginning says what a scene is about; further words cost as much as the first."""

Texts = Mapping[int, str]
"""By the scene's number; 0 for the film itself."""


def index_ended(services: Services) -> int:
    """Go on behind the last run that was gone through, the oldest first; how many runs. What was indexed and has not
    changed is not asked for again. Raises Unavailable.
    """
    if services.meaning is None:
        return 0
    name = _checkpoint(services.meaning)
    now = services.clock.now()
    with services.store.read() as tx:
        mark = tx.checkpoints.get(name) or Checkpoint(id=name, at=now - SEARCHED_S)
        runs = _ended(tx, mark.at, now - SETTLED_S)
    for run in runs:
        _index(services, services.meaning, run)
    if runs:
        last = max(run.finished_at or 0.0 for run in runs)
        with services.store.write() as tx:
            if not tx.checkpoints.add(replace(mark, at=last)):
                # Unless somebody wants to start over.
                tx.checkpoints.change(name, {"at": mark.at}, at=last)
    return len(runs)


def start_over(services: Services) -> bool:
    """Go through the runs of the last year again, such as after the clock was set back; False where nothing is indexed
    by meaning.
    """
    if services.meaning is None:
        return False
    with services.store.write() as tx:
        tx.checkpoints.change(_checkpoint(services.meaning), at=services.clock.now() - SEARCHED_S)
    return True


def _checkpoint(meaning: Meaning) -> str:
    """Another model starts at the beginning."""
    return f"search:{meaning.model}"


def _ended(tx: Tx, after: float, before: float) -> list[Run]:
    """The next runs, with all that ended at the moment of the last."""
    after_that, before_that = {"finished_at": after}, {"finished_at": before}
    runs = tx.runs.find(order="finished_at", limit=RUNS_AT_ONCE, after=after_that, before=before_that)
    if len(runs) < RUNS_AT_ONCE:
        return runs
    last = runs[-1].finished_at
    return [*(run for run in runs if run.finished_at != last), *tx.runs.find(finished_at=last)]


def texts_of(run: Run, scenes: Iterable[Scene]) -> Texts:
    """What a film is found by: its brand, too, before the prompt, of which only the beginning may count."""
    order = run.order or Order()
    brand = order.brand or Brand()
    said: dict[int, tuple[str | None, ...]] = {0: (order.title, brand.name, ", ".join(brand.kept), order.master_prompt)}
    said |= {scene.number: (scene.prompt, scene.caption, scene.narration) for scene in scenes}
    texts = {number: "\n".join(part.strip() for part in parts if part)[:MAX_TEXT] for number, parts in said.items()}
    return {number: text for number, text in texts.items() if text.strip()}


def _index(services: Services, meaning: Meaning, run: Run) -> None:
    """One run's texts. Written are the vectors of what is still said when they are there: it may be erased by then."""
    with services.store.read() as tx:
        texts = texts_of(run, tx.scenes.find(run_id=run.id))
        known = {row.id: row for row in tx.search_vectors.find(run_id=run.id)}
    wanted = {number: text for number, text in texts.items() if not _is_indexed(known, run, meaning, number, text)}
    ids = {_id(run, meaning, number) for number in texts}
    if not wanted and known.keys() <= ids:
        return
    vectors = dict(_embedded(meaning, wanted))
    with services.store.write() as tx:
        current = tx.runs.get(run.id, lock=True)
        still = texts_of(current, tx.scenes.find(run_id=run.id)) if current else {}
        for number, vector in vectors.items():
            if still.get(number) == wanted[number]:
                _put(
                    tx,
                    SearchVector(
                        id=_id(run, meaning, number),
                        run_id=run.id,
                        scene=number,
                        model=meaning.model,
                        account_id=current.account_id if current else None,
                        text_hash=digest(wanted[number]),
                        vector=vector,
                        run_at=run.created_at,
                        indexed_at=services.clock.now(),
                    ),
                )
        for name in known.keys() - ids:
            tx.search_vectors.remove(name)


def _is_indexed(known: Mapping[str, SearchVector], run: Run, meaning: Meaning, number: int, text: str) -> bool:
    row = known.get(_id(run, meaning, number))
    return row is not None and row.text_hash == digest(text)


def _embedded(meaning: Meaning, texts: Texts) -> Iterable[tuple[int, bytes]]:
    """A few at a time: whoever asks something meanwhile waits for no more."""
    rest = iter(texts.items())
    while some := list(islice(rest, TEXTS_AT_ONCE)):
        yield from zip((number for number, _ in some), meaning.embed([text for _, text in some]), strict=True)


def _id(run: Run, meaning: Meaning, number: int) -> str:
    return f"{run.id}:{number}:{meaning.model}"


def _put(tx: Tx, row: SearchVector) -> None:
    if not tx.search_vectors.add(row):
        tx.search_vectors.change(
            row.id, text_hash=row.text_hash, vector=row.vector, run_at=row.run_at, indexed_at=row.indexed_at
        )
