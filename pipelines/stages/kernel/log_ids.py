"""What the lines about a row say besides which row it is."""

from __future__ import annotations

from pipelines.domain.money import dollars
from pipelines.domain.records import Generation, Leased, Run
from pipelines.ports import log_context


def add(row: Leased, run: Run | None) -> None:
    """Whose it is, if its run is known here, and, of a paid request, what it costs, or may cost at most, in dollars."""
    if run is not None:
        ids = {"base_id": run.base_id, "record_id": run.record_id, "key_id": run.key_id, "account_id": run.account_id}
        log_context.add(run_id=run.id, **ids)
    if isinstance(row, Generation):
        log_context.add(cost_usd=str(dollars(row.reserve_micro if row.cost_micro is None else row.cost_micro)))
