"""The row of a run that a look at the base has just read: the run that it starts need not read it again.

One call tells what a hundred rows order when boxes are ticked or the queue is started; a hundred more tell the same.
"""

from __future__ import annotations

from pipelines.domain.airtable.fields import VideoField
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.ports import AirtableRow

GOOD_FOR_S = 60.0
"""Whoever corrects a row that has been waiting for its turn means the film that is still to be made."""


def kept(row: AirtableRow | None) -> Order | None:
    """What a row orders, for its run; None where the run has to read it, because it has scenes of its own or a brand,
    or something in it is wrong and may be mended by then.
    """
    if row is None or row.problems or row.fields.get(VideoField.SCENES) or row.brand_id:
        return None
    return row.order


def row_of(run: Run, now: float) -> AirtableRow | None:
    """The row, when it was read as the run began and that is not long ago."""
    if run.record_id is None or run.order is None or run.plan is not None or now - run.created_at > GOOD_FOR_S:
        return None
    return AirtableRow(record_id=run.record_id, order=run.order, status=None)
