"""`flask credits`: what accounts have paid for."""

from __future__ import annotations

import click

from pipelines.domain.errors import NotFound
from pipelines.domain.keys import new_id
from pipelines.domain.records import LotKind
from pipelines.stages.commerce import accounts
from pipelines.stages.spending import credit_lots
from webapp.api.account.credits import entry_view, in_credits, lot_view
from webapp.api.account.handlers import DAY_S
from webapp.api.account.models import LotView
from webapp.api.answers import plain
from webapp.commands.output import OPERATORS, Group, as_json, print_table, reports_errors, show
from webapp.context import services, settings

group = Group("credits", OPERATORS, help="Credits of accounts: give, give back, look.")
ENTRIES = 20
_COLUMNS = ("lot_id", "kind", "source", "granted", "available", "set aside", "used", "expires")
_GIVEN = (LotKind.PAID.value, LotKind.PROMOTIONAL.value)


@group.command("grant")
@click.argument("account_id")
@click.argument("credits", type=click.IntRange(1, 1_000_000_000))
@click.option("--days", type=click.IntRange(1, 36_500), help="Good for so many days; CREDITS_EXPIRE_DAYS if not given.")
@click.option("--kind", type=click.Choice(_GIVEN), default=_GIVEN[0], show_default=True)
@click.option("--source", help="What it is for, such as an invoice: the same source again gives nothing more.")
@as_json
@reports_errors
def grant(account_id: str, credits: int, days: int | None, kind: str, source: str | None, *, json_: bool) -> None:
    """Give an account credits."""
    core = services()
    now, usual = core.clock.now(), settings().credits_expire_days
    expires = days or usual
    with core.store.write() as tx:
        lot = credit_lots.grant(
            tx,
            now,
            account_id,
            credits * core.prices.credit_micro,
            kind=LotKind(kind),
            source=source or new_id("grant"),
            expires_at=None if expires is None else now + expires * DAY_S,
        )
    made = lot_view(lot)
    show(plain(made), json_=json_, table=lambda: _print([made]))


@group.command("refund")
@click.argument("clip_id")
@as_json
@reports_errors
def refund(clip_id: str, *, json_: bool) -> None:
    """Give back what was charged for a clip that is no use. Twice is once."""
    core = services()
    with core.store.write() as tx:
        clip = tx.clips.get(clip_id)
        if clip is None:
            raise NotFound(f"clip {clip_id}", marketer=f"There is no clip {clip_id}.")
        lots = [lot_view(lot) for lot in credit_lots.refund(tx, core.clock.now(), clip)]
    show([plain(lot) for lot in lots], json_=json_, table=lambda: _print(lots))


@group.command("show")
@click.argument("account_id")
@as_json
@reports_errors
def show_credits(account_id: str, *, json_: bool) -> None:
    """What an account has, and its newest movements."""
    core = services()
    with core.store.read() as tx:
        account = accounts.found(tx, account_id)
        funds = credit_lots.funds(tx, account_id, core.clock.now())
        newest = tx.credits.find(account_id=account_id, order="-id", limit=2 * ENTRIES)
    lots, entries = [lot_view(lot) for lot in funds.lots], [entry_view(entry) for entry in newest if entry.amount > 0]
    found = {
        "account_id": account_id,
        "name": account.name,
        "available_credits": funds.available_micro // core.prices.credit_micro,
        "reserved_credits": in_credits(funds.reserved_micro),
        "lots": [plain(lot) for lot in lots],
        "entries": [plain(entry) for entry in entries],
    }

    def table() -> None:
        click.echo(f"{account.name}: {found['available_credits']} available, {found['reserved_credits']:g} set aside\n")
        _print(lots)
        click.echo()
        rows = [(one.at, one.posting, f"{one.credits:g}", one.run_id, one.lot_id) for one in entries]
        print_table(("at", "why", "credits", "run", "lot"), rows, empty="Nothing has moved.")

    show(found, json_=json_, table=table)


def _print(lots: list[LotView]) -> None:
    rows = [
        (
            lot.lot_id,
            lot.kind,
            lot.source,
            f"{lot.granted_credits:g}",
            f"{lot.available_credits:g}",
            f"{lot.reserved_credits:g}",
            f"{lot.used_credits:g}",
            lot.expires_at or "never",
        )
        for lot in lots
    ]
    print_table(_COLUMNS, rows, empty="Nothing to spend. Give some: flask credits grant ACCOUNT CREDITS")
