"""The brand of an order: read when its run begins, copied into it, and told in its row what of it cannot be used."""

from __future__ import annotations

import logging
from dataclasses import replace

from pipelines.domain.airtable.fields import AirtableTable, BrandField
from pipelines.domain.brands.banned_words import banned_in
from pipelines.domain.errors import InvalidOrder, Problem, RecordGone, ReelgridError
from pipelines.domain.lifecycle import MOVING, RunStatus
from pipelines.domain.orders.brand import MAX_LIST, Brand, BrandRow, brand_problems
from pipelines.domain.orders.field_labels import for_row
from pipelines.domain.orders.order import Order, with_brand
from pipelines.domain.records import Run
from pipelines.domain.state.base import BaseState, BrandSeen, BrandsSeen
from pipelines.ports import AirtableBrand, AirtableRow, Brief, Script, Tx
from pipelines.stages.base_rows import outbox
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

MOST = 200
"""So many brands of a base are offered."""
READ_EVERY_S = 86_400.0
_BUSY = (*MOVING, RunStatus.NEEDS_APPROVAL)
_NO_BRAND = "Brand was not used: the row that it is linked to is not in Brands, or cannot be read."


def of_row(services: Services, base_id: str, row: AirtableRow) -> Order:
    """What a row orders, with all that its brand lends: one call where it has one, none where it has not."""
    if row.brand_id is None:
        return row.order
    return branded(services, row.order, BrandRow(base_id=base_id, record_id=row.brand_id, given=row.given))


def branded(services: Services, order: Order, source: BrandRow) -> Order:
    """The order with all that this brand lends it. A base without a table for brands has none."""
    try:
        found = services.airtable.brand(source.base_id, source.record_id)
    except RecordGone:
        return with_brand(order, Brand(notes=(_NO_BRAND,)), source.given)
    if found is None:
        return replace(order, brand_row=None)
    _remember(services, source.base_id, found)
    return with_brand(order, replace(found.brand, row=replace(source, given=())), source.given)


def read_all(services: Services, base_id: str) -> list[AirtableBrand]:
    """Every brand of a base. What they are called is remembered, for whoever orders without a row."""
    found = services.airtable.brands(base_id)
    seen = BrandsSeen(at=services.clock.now(), rows=tuple(_seen(one) for one in found[:MOST]))
    services.base_tools.bases.remember(base_id, lambda state: replace(state, brands=seen))
    return found


def refresh(services: Services, base_id: str) -> None:
    """Once a day it is read which brands there are, while no film is made in the base: one call, none where it has no
    table for them. Nothing waits for it.
    """
    now, bases = services.clock.now(), services.base_tools.bases
    if 0 <= now - bases.state(base_id).brands.at < READ_EVERY_S:
        return
    with services.store.read() as tx:
        if tx.runs.find(base_id=base_id, status=_BUSY, limit=1):
            return
    try:
        read_all(services, base_id)
    except ReelgridError as error:
        logger.info("the brands of %s cannot be read: %s", base_id, error.operator)
        bases.remember(base_id, lambda state: replace(state, brands=replace(state.brands, at=now)))


def _remember(services: Services, base_id: str, brand: AirtableBrand) -> None:
    """One that a run has used, where it is new or has another name."""
    bases = services.base_tools.bases
    if _seen(brand) in bases.state(base_id).brands.rows:
        return

    def added(state: BaseState) -> BaseState:
        others = [one for one in state.brands.rows if one.record_id != brand.record_id]
        return replace(state, brands=replace(state.brands, rows=(*others, _seen(brand))[-MOST:]))

    bases.remember(base_id, added)


def _seen(brand: AirtableBrand) -> BrandSeen:
    return BrandSeen(brand.record_id, brand.brand.name or brand.record_id)


def tell_problems(tx: Tx, now: float, run: Run, brand: Brand | None) -> None:
    """Say in the brand's row what is wrong with it, where it does not say so already."""
    if brand is None or brand.row is None:
        return
    told = "\n".join(brand_problems(brand))
    if told != (brand.told or ""):
        base, row = brand.row.base_id, brand.row.record_id
        cells = {BrandField.PROBLEMS.value: told or None}
        outbox.put(tx, now, base_id=base, table=AirtableTable.BRANDS, record_id=row, fields=cells, run_id=run.id)


def notes_for_writer(order: Order) -> str | None:
    """The style notes, with what the brand does not want to be said."""
    if order.brand_row is not None:
        # Its words are read when the run begins; until then it is quoted for as many as there may be.
        return (order.style_notes or "") + " " * (3 * MAX_LIST)
    banned = ", ".join(order.brand.banned) if order.brand else ""
    return "\n".join(filter(None, (order.style_notes, banned and f"Never use these words: {banned}."))) or None


def may_be_rewritten(order: Order) -> bool:
    """Whether scenes may have to be written twice."""
    return order.brand_row is not None or bool(order.brand and order.brand.banned)


def second_brief(brief: Brief) -> Brief:
    """The brief once more, after an answer with a word that is not allowed."""
    again = "The last answer used a word that must not be used. Say it in other words."
    return replace(brief, style_notes="\n".join(filter(None, (brief.style_notes, again))))


def banned_word_of(order: Order, script: Script) -> str | None:
    """The first word in what a model wrote that the brand does not allow."""
    banned = order.brand.banned if order.brand else ()
    texts = (text for scene in script.scenes for text in (scene.prompt, scene.caption, scene.narration))
    return next((word for text in (*texts, script.post_text) if (word := banned_in(text, banned))), None)


def refusal(run: Run, word: str) -> InvalidOrder:
    """Of scenes that were written twice and have such a word both times."""
    brand = run.known_order.brand or Brand()
    why = (
        f"was written into scenes that say “{word}”, twice, which {brand.called} does not allow. "
        "Say what the video is about in other words, or take the word off its Banned Words."
    )
    problems = (Problem("master_prompt", why),)
    return InvalidOrder(for_row(problems) if run.record_id else problems)
