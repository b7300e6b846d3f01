"""`flask payments`: single calls that were paid by x402."""

from __future__ import annotations

import re
from typing import Any

import click

from pipelines.domain.errors import NotFound
from pipelines.domain.records import Payment, PaymentStatus
from pipelines.domain.times import iso
from pipelines.stages.commerce import payments
from webapp.api.account.pay_per_call import access_token
from webapp.api.estimates import usd
from webapp.commands.output import OPERATORS, Group, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group("payments", OPERATORS, help="Single calls paid by x402: look, decide what is in doubt.", alone="list")
LIMIT = 50
_COLUMNS = ("payment_id", "status", "price_usd", "payer", "transaction", "run_id", "account_id", "created_at", "reason")
_STATUSES = [status.value for status in PaymentStatus]


@group.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=LIMIT, show_default=True)
@as_json
@reports_errors
def list_(status: str | None, limit: int, *, json_: bool) -> None:
    """Payments, the newest first."""
    wanted = tuple(PaymentStatus) if status is None else (PaymentStatus(status),)
    with services().store.read() as tx:
        found = [_view(one) for one in tx.payments.find(status=wanted, order="-created_at", limit=limit)]
    rows = [[one[column] for column in _COLUMNS] for one in found]
    show(found, json_=json_, table=lambda: print_table(_COLUMNS, rows, empty="Nobody has paid for a call."))


@group.command("decide")
@click.argument("payment_id")
@click.option("--paid", "transaction", metavar="TRANSACTION", help="It arrived, with this transaction (0x…).")
@click.option("--failed", is_flag=True, help="It never arrived.")
@as_json
@reports_errors
def decide(payment_id: str, transaction: str | None, *, failed: bool, json_: bool) -> None:
    """Say what became of a payment that is in doubt. Look it up first: at your facilitator, or in a block explorer by
    the wallet that paid.
    """
    if failed == (transaction is not None):
        raise click.UsageError("Say either --paid TRANSACTION or --failed.")
    if transaction is not None and not re.fullmatch(r"0x[0-9a-fA-F]{64}", transaction):
        raise click.UsageError("A transaction is 0x and 64 hex digits.")
    done = _view(payments.decide(services(), payment_id, transaction))
    show(done, json_=json_, table=lambda: print_table(_COLUMNS, [[done[column] for column in _COLUMNS]], empty=""))


@group.command("token")
@click.argument("payment_id")
@as_json
@reports_errors
def token(payment_id: str, *, json_: bool) -> None:
    """The access token of a payment, for who paid and lost it: it opens their run and spends their credits."""
    with services().store.read() as tx:
        payment = tx.payments.get(payment_id)
    text = access_token(payment.reference, payment.key_id) if payment else None
    if payment is None or text is None:
        why = "is not paid, or nobody has asked for its run" if payment else "is not there"
        raise NotFound(f"payment {payment_id}", marketer=f"There is no token: {payment_id} {why}.")
    show({"access_token": text}, json_=json_, table=lambda: click.echo(text))


def _view(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.id,
        "status": payment.status.value,
        "price_usd": usd(payment.amount_micro),
        "payer": payment.payer,
        "transaction": payment.tx_hash,
        "run_id": payment.run_id if payment.lot_id else None,
        "account_id": payment.account_id if payment.lot_id else None,
        "created_at": iso(payment.created_at),
        "reason": payment.reason,
    }
