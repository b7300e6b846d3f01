"""Films found by what they are about: what is indexed, and how it is put together with what words find."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.errors import Unavailable
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.order import Order, words_of
from pipelines.domain.records import Run, Scene, SearchVector
from pipelines.stages.files.erase import erase
from pipelines.stages.kernel.services import Services
from pipelines.stages.search import indexing
from pipelines.stages.views import finding
from pipelines.stages.views.documents import Reason
from pipelines.testing import make_services
from pipelines.testing.airtable import BASE
from pipelines.testing.fakes import FixedClock
from worker.pump import Pump

RECORD = "recA1b2C3d4E5f6G7"


@dataclass
class Model:
    """ports.Meaning whose nearest vectors a test names: of whichever account."""

    model: str = "test-1"
    ids: list[str] = field(default_factory=list)
    away: bool = False
    embedded: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.embedded += texts
        self.meanwhile()
        return [text[:4].encode() for text in texts]

    def nearest(self, text: str, *, account_id: str | None, since: float, until: float, limit: int) -> list[str]:
        assert account_id in (None, "acc_a"), "the account is said"
        if self.away:
            raise Unavailable("it is away")
        return self.ids


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def services(tmp_path: Path, model: Model, clock: FixedClock) -> Services:
    return make_services(tmp_path, meaning=model, clock=clock)


def film(services: Services, name: str, *prompts: str, title: str = "", account: str | None = None) -> Run:
    """A film that has ended."""
    services.clock.pass_by(1.0)  # type: ignore[attr-defined]
    now = services.clock.now()
    order = Order(title=title or None)
    made = {"created_at": now, "finished_at": now, "base_id": BASE, "record_id": RECORD, "number": int(now)}
    run = Run(id=name, status=RunStatus.DONE, source="rest", order=order, account_id=account, **made)  # type: ignore[arg-type]
    with services.store.write() as tx:
        tx.runs.add(replace(run, words=words_of(order, None)))
        for number, prompt in enumerate(prompts, start=1):
            words = prompt.casefold()
            tx.scenes.add(
                Scene(id=f"{name}_{number}", run_id=name, number=number, key=name, prompt=prompt, words=words)
            )
    services.clock.pass_by(indexing.SETTLED_S + 1.0)  # type: ignore[attr-defined]
    return run


def indexed(services: Services) -> dict[str, bytes]:
    with services.store.read() as tx:
        return {row.id: row.vector for row in tx.search_vectors.find()}


def vectors(services: Services, *runs: Run) -> list[str]:
    """One of each film's texts, as it is indexed."""
    with services.store.write() as tx:
        for run in runs:
            row = SearchVector(
                id=f"{run.id}:1:test-1", run_id=run.id, scene=1, model="test-1", text_hash="", vector=b"v"
            )
            tx.search_vectors.add(replace(row, account_id=run.account_id))
    return [f"{run.id}:1:test-1" for run in runs]


def all_indexed(services: Services) -> None:
    while indexing.index_ended(services):
        pass


def test_each_text_of_a_film_that_ended_is_embedded_once(services: Services, model: Model, clock: FixedClock) -> None:
    for number in range(6):
        film(services, f"run_{number}", "A fox", "A wolf", title="Dawn" if number == 0 else "")
    all_indexed(services)
    assert (len(model.embedded), indexed(services)["run_0:0:test-1"], len(indexed(services))) == (13, b"Dawn", 13)
    film(services, "run_new", "A boat")
    clock.pass_by(-indexing.SETTLED_S)
    assert indexing.index_ended(services) == 0, "another that ended before may not be committed yet"
    clock.pass_by(indexing.SETTLED_S)
    all_indexed(services)
    assert model.embedded[13:] == ["A boat"]
    assert indexing.start_over(services)
    with services.store.write() as tx:
        tx.scenes.change("run_0_1", prompt="A heron")
        tx.scenes.remove("run_1_2")
    all_indexed(services)
    assert (model.embedded[14:], indexed(services)["run_0:1:test-1"]) == (["A heron"], b"A he")
    assert "run_1:2:test-1" not in indexed(services)
    model.model = "test-2"
    all_indexed(services)
    assert {name.rpartition(":")[2] for name in indexed(services)} == {"test-2"}


def test_a_film_is_found_by_its_brand_and_one_of_before_after_a_reindex(services: Services, model: Model) -> None:
    run = film(services, "run_0", "A fox", title="Dawn")
    film(services, "run_1", "A wolf", title="Dusk")
    all_indexed(services)
    order = replace(run.order or Order(), brand=Brand(name="Acme", keep_words="Lumen Four\nNoor"))
    with services.store.write() as tx:
        tx.runs.change("run_0", order=order)
    assert indexing.start_over(services)
    all_indexed(services)
    assert model.embedded[4:] == ["Dawn\nAcme\nLumen Four, Noor"]


def test_a_run_that_goes_on_is_looked_at_again_when_it_ends(
    services: Services, model: Model, clock: FixedClock
) -> None:
    film(services, "run_0", "A fox")
    all_indexed(services)
    with services.store.write() as tx:
        tx.scenes.change("run_0_1", prompt="A wolf")
        tx.runs.change("run_0", finished_at=clock.now())
    clock.pass_by(2 * indexing.SETTLED_S)
    all_indexed(services)
    assert (model.embedded, indexed(services)) == (["A fox", "A wolf"], {"run_0:1:test-1": b"A wo"})


def test_the_pump_does_it_in_the_background(services: Services, model: Model) -> None:
    for number in range(indexing.RUNS_AT_ONCE + 1):
        film(services, f"run_{number}", "A fox")
    last = threading.Event()
    model.meanwhile = lambda: last.set() if len(model.embedded) > indexing.RUNS_AT_ONCE else None
    pump = Pump(services)
    thread = threading.Thread(target=pump.run)
    thread.start()
    try:
        assert last.wait(30.0)
    finally:
        pump.stop()
        thread.join()
    assert len(indexed(services)) == indexing.RUNS_AT_ONCE + 1


@pytest.mark.parametrize("meanwhile", [False, True])
def test_what_is_erased_is_erased_here_too(services: Services, model: Model, *, meanwhile: bool) -> None:
    """Also while the model is just at it."""
    film(services, "run_0", "A fox")
    if meanwhile:
        model.meanwhile = lambda: erase(services, BASE, RECORD)
    all_indexed(services)
    if not meanwhile:
        erase(services, BASE, RECORD)
    assert (indexed(services), model.embedded) == ({}, ["A fox"])


def test_while_it_is_off_nothing_is_asked_or_written(services: Services) -> None:
    film(services, "run_0", "A fox")
    off = replace(services, meaning=None)
    assert isinstance(off.store, SqlStore)
    heard: list[str] = []
    event.listen(off.store.engine, "before_cursor_execute", lambda *told: heard.append(told[2]))
    assert (indexing.index_ended(off), indexing.start_over(off)) == (0, False)
    page = finding.find(off, "fox", limit=5)
    assert (page.by, page.films[0]["found_in"]) == (None, ["scenes"])
    assert heard
    assert not [statement for statement in heard if "search_vectors" in statement or "checkpoints" in statement]


def _found(services: Services, text: str) -> list[tuple[str, list[Reason], list[int]]]:
    films = finding.find(services, text, limit=20).films
    return [(one["run"]["run_id"], one["found_in"], [scene["number"] for scene in one["scenes"]]) for one in films]


def test_both_lists_are_one_and_each_film_says_why(services: Services, model: Model) -> None:
    fox = film(services, "run_fox", "A fox runs")
    both = film(services, "run_both", "Red foxes")
    near = film(services, "run_near", "A vixen and her cubs")
    film(services, "run_other", "A boat")
    model.ids = vectors(services, both, near)
    assert _found(services, "fox") == [
        (both.id, ["scenes", "meaning"], [1]),
        (fox.id, ["scenes"], [1]),
        (near.id, ["meaning"], [1]),
    ]
    model.away = True
    assert [found for found, *_ in _found(services, "fox")] == [both.id, fox.id]
    assert finding.find(services, "fox", limit=5).by == ("words",)


def test_anothers_films_are_not_found_and_take_no_place(services: Services, model: Model) -> None:
    """Even if the model names them, or what was erased: the list is that of an account that is alone."""
    mine = [film(services, f"run_{number}", "A boat", account="acc_a") for number in range(3)]
    theirs = [film(services, f"run_b{number}", "A boat", account="acc_b") for number in range(3)]
    view = replace(services, store=services.store.of("acc_a"))
    own, others = vectors(services, *mine), vectors(services, *theirs)
    model.ids = own
    alone = _found(view, "boat"), _found(view, "ship")
    model.ids = [others[0], own[0], "run_gone:1:test-1", others[1], own[1], own[2], others[2]]
    assert (_found(view, "boat"), _found(view, "ship")) == alone
    assert [found for found, *_ in alone[1]] == [run.id for run in mine]


def _pages(services: Services, limit: int, between: Callable[[], object] = lambda: None) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = finding.find(services, "fox", limit=limit, cursor=cursor)
        yield [one["run"]["run_id"] for one in page.films]
        cursor = page.cursor
        if cursor is None:
            return
        between()


def test_pages_hold_each_film_once_whatever_comes_meanwhile(services: Services, model: Model) -> None:
    foxes = [film(services, f"run_{number:03d}", "A fox") for number in range(230)]
    vixens = [film(services, f"run_v{number}", "A vixen") for number in range(30)]
    # Near are also the oldest ones with the word, which stand behind the 200 that are looked at.
    model.ids = vectors(services, *vixens, *foxes[:10], *foxes[-10:])
    at_once = next(_pages(services, 1000))
    assert len(at_once) == len(foxes) - 30 + len(vixens)
    new = iter(range(1000))
    pages = [*_pages(services, 37, lambda: film(services, f"run_new{next(new)}", "A fox"))]
    seen = [run_id for page in pages for run_id in page]
    assert seen[: len(at_once)] == at_once
    assert sorted(seen) == sorted(run.id for run in (*foxes, *vixens))


def test_a_list_of_both_is_not_gone_on_with_by_words(services: Services, model: Model) -> None:
    model.ids = vectors(services, *(film(services, f"run_{number}", "A vixen") for number in range(3)))
    cursor = finding.find(services, "fox", limit=2).cursor
    model.away = True
    with pytest.raises(Unavailable):
        finding.find(services, "fox", limit=2, cursor=cursor)
