"""Lists of runs, the newest or the dearest first, a page at a time. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypedDict

from pipelines.domain.records import Run
from pipelines.ports import RunFilter, RunOrder, Tx
from pipelines.stages.kernel.paging import cursor_after, cursor_at, newest_first, place_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.views.documents import RunSummary
from pipelines.stages.views.run_view import short_pictures, summary

ALL = RunFilter()
_MOST = 2.0**62
"""No price is higher."""
LOOKED = 1_000
"""So many runs are looked at for one page where no index leads to what is wanted; the next page goes on behind them."""


class _Listed(TypedDict, total=False):
    record_id: str
    status: str


def list_runs(
    services: Services,
    wanted: RunFilter = ALL,
    *,
    record: str | None = None,
    since: float | None = None,
    until: float | None = None,
    dearest: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[RunSummary], str | None]:
    """Summaries, newest first, and the cursor of the next page; `dearest`: those first that were quoted most, without
    those that have no quote. A page may have few runs, or none, and a cursor all the same. Of a record the filter tells
    the status only. Raises ValueError for a cursor that is not ours.
    """
    narrows = bool(wanted.equals().keys() - {"status"})
    with services.store.read() as tx:
        if record is None and (dearest or narrows):
            runs, more = _narrowed(tx, wanted, since, until, limit, cursor, dearest=dearest)
        else:
            runs, more = _newest(tx, wanted.status, record, since, until, limit, cursor)
        pictures = short_pictures(tx, runs)
    return [summary(services, picture) for picture in pictures], more


def _newest(
    tx: Tx,
    status: Sequence[str] | None,
    record: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[Run], str | None]:
    of_row: _Listed = {"record_id": record} if record else {}
    each: list[_Listed] = [{**of_row, "status": one} for one in dict.fromkeys(status)] if status else [of_row]
    # `after` is strict, and `since` is meant to be included.
    after = {"created_at": since - 1e-6} if since is not None else None
    pages = [newest_first(tx.runs, limit + 1, cursor, until=until, after=after, **one) for one in each]
    # Each status by itself comes in order out of its index; few of many among all runs would not.
    runs = sorted(chain(*pages), key=lambda run: (run.created_at, run.id), reverse=True)[: limit + 1]
    return runs[:limit], cursor_after(runs[limit - 1]) if len(runs) > limit else None


def _narrowed(
    tx: Tx,
    wanted: RunFilter,
    since: float | None,
    until: float | None,
    limit: int,
    cursor: str | None,
    *,
    dearest: bool,
) -> tuple[list[Run], str | None]:
    by: RunOrder = "created_at"
    if dearest:
        by = "quote_micro" if tx.account_id is None else "price_micro"
    after = place_of(cursor) if cursor else None
    if after and dearest:
        # A database compares whole numbers by an index only with whole ones.
        after = (int(min(after[0], _MOST)), after[1])
    found = tx.narrow(wanted, by=by, since=since, until=until, limit=limit + 1, looked=LOOKED, after=after)
    rows = {run.id: run for run in tx.runs.find(id=found.ids[:limit])} if found.ids else {}
    runs = [rows[run_id] for run_id in found.ids[:limit]]
    if len(found.ids) <= limit:
        return runs, cursor_at(found.end) if found.end else None
    return runs, cursor_at((getattr(runs[-1], by), runs[-1].id))
