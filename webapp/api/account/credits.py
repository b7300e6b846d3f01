"""The credits of the account that asks: what is there, and every movement."""

from __future__ import annotations

from pipelines.domain.money import CreditAccount, CreditPosting, dollars
from pipelines.domain.records import CreditEntry, Lot
from pipelines.domain.times import iso
from pipelines.stages.spending import credit_book, credit_lots
from pipelines.stages.spending.credit_lots import Funds
from webapp.access.rules import Owner
from webapp.api.account import models
from webapp.api.operations import Effect, Reply, Tool, operation
from webapp.api.queries import PageQuery
from webapp.context import actor, services, top_up_url

USUAL = 50
"""Entries on a page where nobody says how many."""


@operation(
    "GET",
    "/api/credits",
    summary="How many credits are there",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Account",
    answers={200: models.CreditsView},
    problems=(401, 403, 429),
    tool=Tool("get_credits", Effect.READS),
)
def get_credits() -> Reply:
    """What can be spent, what runs have set aside, and where more is to be had. The operator needs none."""
    account_id, core = actor().account_id, services()
    with core.store.read() as tx:
        funds = credit_lots.funds(tx, account_id, core.clock.now()) if account_id else Funds((), 0)
        sold = credit_book.pays_in_credits(tx, core.prices, account_id)
    return Reply(
        models.CreditsView(
            pays_in_credits=sold,
            available_credits=funds.available_micro // core.prices.credit_micro,
            reserved_credits=in_credits(funds.reserved_micro),
            credit_usd=dollars(core.prices.credit_micro),
            lots=[lot_view(lot) for lot in funds.lots],
            top_up_url=top_up_url(),
        )
    )


@operation(
    "GET",
    "/api/credits/entries",
    summary="List movements of credits",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Account",
    query=PageQuery,
    answers={200: models.CreditEntryList},
    problems=(401, 403, 422, 429),
)
def list_credit_entries(query: PageQuery) -> Reply:
    """Newest first; `next_cursor` is null on the last page. The operator sees those of all accounts."""
    limit = query.limit or USUAL
    before = {"id": int(query.cursor)} if query.cursor else None
    with services().store.read() as tx:
        # Of the two sides of a posting the one that goes up names all there is to say.
        found = tx.credits.find(order="-id", limit=2 * limit + 1, before=before)
    shown = [entry for entry in found if entry.amount > 0]
    more = len(shown) > limit or len(found) > 2 * limit
    shown = shown[:limit]
    cursor = str(shown[-1].id) if more and shown else None
    return Reply(models.CreditEntryList(entries=[entry_view(entry) for entry in shown], next_cursor=cursor))


def in_credits(micro: int) -> float:
    """Micro-dollars as credits, also where they are no whole number."""
    return round(micro / services().prices.credit_micro, 4)


def lot_view(lot: Lot) -> models.LotView:
    """A lot as the API and the command line show it."""
    return models.LotView(
        lot_id=lot.id,
        kind=lot.kind.value,
        source=lot.source,
        granted_credits=in_credits(lot.granted_micro),
        available_credits=in_credits(lot.available_micro),
        reserved_credits=in_credits(lot.reserved_micro),
        used_credits=in_credits(lot.used_micro),
        created_at=iso(lot.created_at),
        expires_at=iso(lot.expires_at),
    )


def entry_view(entry: CreditEntry) -> models.CreditEntryView:
    """One movement. Rounding that is taken back, because more is delivered in its order, is less than nothing."""
    back = entry.posting is CreditPosting.ROUND and entry.account is CreditAccount.RESERVED
    return models.CreditEntryView(
        at=iso(entry.at),
        posting=entry.posting.value,
        credits=in_credits(-entry.amount if back else entry.amount),
        account_id=entry.account_id,
        lot_id=entry.lot_id,
        run_id=entry.run_id,
        record_id=entry.record_id,
        model=entry.model,
    )
