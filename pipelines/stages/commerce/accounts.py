"""Accounts of customers: made, suspended and closed by the operator; their bases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipelines.domain.errors import NotAllowed, NotFound, Suspended
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import ACTIVE
from pipelines.domain.records import AccountStatus, CustomerAccount
from pipelines.ports import Tx
from pipelines.stages.files import revocations
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import wake_waiting

_FROM: Mapping[AccountStatus, tuple[AccountStatus, ...]] = {
    AccountStatus.ACTIVE: (AccountStatus.SUSPENDED,),
    AccountStatus.SUSPENDED: (AccountStatus.ACTIVE,),
    AccountStatus.CLOSED: (AccountStatus.ACTIVE, AccountStatus.SUSPENDED),
}
"""From which status an account gets to each. A closed one stays closed: its keys are no longer looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an account may do at most; None: as it was, which for a new one is as for all."""

    run_cap_micro: int | None = None
    day_cap_micro: int | None = None
    runs_in_flight: int | None = None
    backlog: int | None = None


def create(services: Services, name: str, limits: Limits | None = None) -> CustomerAccount:
    """A new customer."""
    now = services.clock.now()
    account = CustomerAccount(id=new_id("acc"), name=name, created_at=now, **asdict(limits or Limits()))
    with services.store.write() as tx:
        tx.accounts.add(account)
    return account


def set_limits(services: Services, account_id: str, limits: Limits, *, as_for_all: bool = False) -> CustomerAccount:
    """Change what an account may do at most; `as_for_all` first takes away all that was said of it. A run that
    waits for its turn looks at once whether it is that now. Raises NotFound.
    """
    given = {name: value for name, value in asdict(limits).items() if value is not None or as_for_all}
    with services.store.write() as tx:
        found(tx, account_id)
        if given:
            tx.accounts.change(account_id, **given)
        wake_waiting(tx, services.clock.now(), account_id)
        return found(tx, account_id)


def set_status(services: Services, account_id: str, status: AccountStatus) -> CustomerAccount:
    """Suspend, lift the suspension or close; what it is already, it stays. Raises NotFound, NotAllowed."""
    with services.store.write() as tx:
        account = found(tx, account_id)
        before = {"status": (*_FROM[status], status)}
        if not tx.accounts.change(account_id, before, status=status):
            raise NotAllowed(marketer=f"{account.name} is {account.status.value}, and stays it.")
        account = found(tx, account_id)
    revocations.note(services, Revoked.ACCOUNT, account_id, status=status)
    return account


def found(tx: Tx, account_id: str) -> CustomerAccount:
    """The account. Raises NotFound."""
    account = tx.accounts.get(account_id)
    if account is None:
        raise NotFound(f"account {account_id}", marketer=f"There is no account {account_id}.")
    return account


def of_subject(services: Services, issuer: str, subject: str, *, signup: bool) -> CustomerAccount | None:
    """The account that an issuer's tokens name so; made when it is first seen if everybody may have one."""
    with services.store.read() as tx:
        known = tx.accounts.find(issuer=issuer, subject=subject, limit=1)
    if known or not signup:
        return known[0] if known else None
    made = CustomerAccount(
        id=new_id("acc"), name=subject, issuer=issuer, subject=subject, created_at=services.clock.now()
    )
    with services.store.write() as tx:
        tx.accounts.add(made)
        # Of two requests that come at once, one makes it.
        return tx.accounts.find(issuer=issuer, subject=subject, limit=1)[0]


def link(services: Services, account_id: str, issuer: str, subject: str) -> CustomerAccount:
    """From now on an issuer's tokens of that name act for the account. Raises NotFound, and NotAllowed where they act
    for another.
    """
    with services.store.write() as tx:
        found(tx, account_id)
        others = tx.accounts.find(issuer=issuer, subject=subject, limit=1)
        if others and others[0].id != account_id:
            raise NotAllowed(marketer=f"Tokens of {subject} act for {others[0].id} already.")
        tx.accounts.change(account_id, issuer=issuer, subject=subject)
        return found(tx, account_id)


def must_be_active(tx: Tx, account_id: str | None) -> None:
    """In the transaction that starts something or lets it be bought. Raises Suspended. The operator always may."""
    if account_id is not None and found(tx, account_id).status is not AccountStatus.ACTIVE:
        raise Suspended(f"account {account_id} is not active")


def owner_of(tx: Tx, base_id: str | None) -> str | None:
    """Whose a new run is: of a row, whoever its base belongs to; any other belongs to whoever asks. Raises NotFound for
    a base that is not there for the account that asks: it may have been given away just now.
    """
    if base_id is None:
        return tx.account_id
    base = tx.bases.get(base_id)
    if base is None and tx.account_id is not None:
        raise NotFound(f"base {base_id}", marketer=f"{base_id} is not connected.")
    return base.account_id if base else None


def give_base(services: Services, base_id: str, account_id: str | None) -> None:
    """Hand a connected base over, with the runs of its rows: the base says what they are, so they are its owner's.
    Raises NotFound, and NotAllowed while one of them is moving. Where it was an account's, signed links of before open
    nothing of it any more; links of the operator's time stay good.
    """
    with services.store.write() as tx:
        if account_id is not None:
            found(tx, account_id)
        base = tx.bases.get(base_id, lock=True)
        if base is None:
            raise NotFound(f"base {base_id}", marketer=f"{base_id} is not connected.")
        if base.account_id == account_id:
            return
        moving = tx.runs.find(base_id=base_id, status=tuple(ACTIVE), limit=1)
        if moving:
            raise NotAllowed(
                marketer=f"Run {moving[0].id} of this base is not over yet: give the base away after that."
            )
        runs = tx.runs.find(base_id=base_id)
        # A base that was removed and connected again has forgotten whose it was; its runs have not.
        left = base.account_id or any(run.account_id not in (None, account_id) for run in runs)
        since = services.clock.now() if left else base.handed_over_at
        tx.bases.change(base_id, account_id=account_id, handed_over_at=since)
        for run in runs:
            tx.runs.change(run.id, account_id=account_id)
    revocations.note(services, Revoked.BASE, base_id, account_id=account_id)
