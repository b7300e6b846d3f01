"""Lists of runs on both databases: narrowed by what an index leads to, and bounded by how many are looked at."""

from __future__ import annotations

from pipelines.database import SqlStore
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.ports import RunFilter, RunOrder

FOREVER = 10**6


def _fill(store: SqlStore) -> None:
    """Twelve runs, one a second: every second one with a model, every third one failed, the older the dearer."""
    with store.write() as tx:
        for number in range(12):
            tx.runs.add(
                Run(
                    id=f"run_{number:02d}",
                    status=RunStatus.DONE if number % 3 else RunStatus.FAILED,
                    source="rest",
                    model="acme/film" if number % 2 else "acme/other",
                    shape="16:9",
                    key_id="key_a" if number < 6 else "key_b",
                    quote_micro=None if number == 11 else 1_000 - number,
                    price_micro=number,
                    account_id="acc_a" if number % 4 == 1 else None,
                    created_at=float(number),
                    words=f"film {number:02d}",
                )
            )


def _all(store: SqlStore, wanted: RunFilter, by: RunOrder, looked: int) -> tuple[list[int], int]:
    """Numbers of the runs of all pages of two, and how many pages they came on."""
    found: list[int] = []
    pages, after = 0, None
    while True:
        with store.read() as tx:
            page = tx.narrow(wanted, by=by, since=None, until=None, limit=2, looked=looked, after=after)
            last = tx.runs.get(page.ids[-1]) if page.ids else None
        pages += 1
        found += [int(name.removeprefix("run_")) for name in page.ids]
        if len(page.ids) == 2:
            assert last
            after = (last.created_at if by == "created_at" else last.quote_micro or 0, last.id)
        elif page.end is None:
            return found, pages
        else:
            after = page.end


def test_each_filter_finds_all_and_each_once_in_order(store: SqlStore) -> None:
    _fill(store)
    films = RunFilter(model="acme/film")
    assert _all(store, films, "created_at", FOREVER)[0] == [11, 9, 7, 5, 3, 1]
    assert _all(store, RunFilter(key_id="key_a", shape="16:9"), "created_at", FOREVER)[0] == [5, 4, 3, 2, 1, 0]
    assert _all(store, RunFilter(model="acme/film", status=("failed",)), "created_at", FOREVER)[0] == [9, 3]
    assert _all(store, RunFilter(), "quote_micro", FOREVER)[0] == list(range(11))
    assert _all(store, films, "quote_micro", FOREVER)[0] == [1, 3, 5, 7, 9]
    with store.read() as tx:
        some = tx.narrow(films, by="quote_micro", since=3.0, until=9.0, limit=9, looked=FOREVER)
        first = tx.narrow(RunFilter(key_id="key_b"), by="created_at", since=7.0, until=9.0, limit=9, looked=FOREVER)
    assert (some.ids, first.ids) == (("run_03", "run_05", "run_07"), ("run_08", "run_07"))


def test_what_no_index_leads_to_is_looked_for_among_so_many_and_gone_on_with(store: SqlStore) -> None:
    _fill(store)
    rare = RunFilter(model="acme/film", status=("failed",))
    found, pages = _all(store, rare, "created_at", 2)
    assert (found, pages) == ([9, 3], 4)
    found, pages = _all(store, RunFilter(key_id="key_b"), "quote_micro", 3)
    assert found == [6, 7, 8, 9, 10]
    with store.read() as tx:
        nothing = tx.narrow(rare, by="created_at", since=None, until=9.0, limit=2, looked=2)
    assert (nothing.ids, nothing.end) == ((), (5.0, "run_05"))


def test_an_account_sees_its_own_by_what_it_is_charged(store: SqlStore) -> None:
    _fill(store)
    with store.of("acc_a").read() as tx:
        dear = tx.narrow(RunFilter(), by="price_micro", since=None, until=None, limit=9, looked=1)
        others = tx.narrow(RunFilter(model="acme/film"), by="created_at", since=None, until=None, limit=9, looked=2)
    assert dear.ids == ("run_09", "run_05", "run_01")
    assert (others.ids, others.end) == (("run_09", "run_05"), (5.0, "run_05"))


def test_a_word_that_no_film_has_is_looked_for_in_so_many_and_gone_on_with(store: SqlStore) -> None:
    _fill(store)
    with store.read() as tx:
        none = tx.search(["zebra"], RunFilter(), since=0.0, limit=2, looked=4)
        old = tx.search(["03"], RunFilter(), since=0.0, limit=2, looked=4)
        assert none.end
        behind = tx.search(["03"], RunFilter(), since=0.0, limit=2, looked=100, after=none.end)
        failed = tx.search(["film"], RunFilter(status=("failed",)), since=0.0, limit=9, looked=100)
        last = tx.search(["zebra"], RunFilter(), since=0.0, limit=2, looked=100)
    assert (none.ids, none.end[0], old.ids) == ((), 8.0, ())
    assert behind.ids == ("run_03",)
    assert failed.ids == ("run_09", "run_06", "run_03", "run_00")
    assert last.end is None
    with store.of("acc_a").read() as tx:
        own = tx.search(["film"], RunFilter(), since=0.0, limit=9, looked=2)
    assert own.ids == ("run_09", "run_05")
