"""Deciding by an action link: what it would do, and doing it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.domain.errors import NotAllowed
from pipelines.domain.lifecycle import AIRTABLE_STATUS
from pipelines.domain.records import Run, SpentLink
from pipelines.domain.state.action_link import Act, ActionLink
from pipelines.ports import Tx
from pipelines.stages.base_rows import action_links
from pipelines.stages.decisions import control, dry_run
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import BY_LINK, Actor, found_run
from pipelines.stages.orders import account_turn

_DONE: Mapping[Act, str] = {
    Act.APPROVE: "the run was approved",
    Act.RETRY: "the run was sent on",
    Act.CANCEL: "the run was cancelled",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link would do now. `refused` says why it cannot be done."""

    run: Run
    price_micro: int = 0
    refused: str | None = None


def asked(services: Services, link: ActionLink) -> Asked:
    """For the page that asks whether it is meant. Changes nothing. Raises NotFound."""
    with services.store.read() as tx:
        run = found_run(tx, link.run_id)
        refused = _refusal(tx, run, link)
    if refused or link.act is Act.CANCEL:
        return Asked(run, 0, refused)
    preview = dry_run.going_on(services, run.id, ceiling_micro=link.ceiling_micro)
    return Asked(run, preview.shown_micro, preview.problems[0].message if preview.problems else None)


def spend(services: Services, link: ActionLink) -> Run:
    """Do what the link is for, and remember in the same transaction that it was used: twice is once. Raises NotFound,
    NotAllowed with what happened already, Suspended, OverBudget and TooMany (then the link is still good).
    """
    who = Actor(BY_LINK, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, link.run_id)
        run = found_run(tx, link.run_id, lock=True)
        refused = _refusal(tx, run, link)
        spent = SpentLink(id=link.moment, run_id=run.id, act=link.act, at=who.now)
        if refused is None and not tx.spent_links.add(spent):
            refused = _refusal(tx, run, link)
        if refused is not None:
            raise NotAllowed(marketer=refused)
        return _ACTS[link.act](services, tx, who, run, link.ceiling_micro)


def _refusal(tx: Tx, run: Run, link: ActionLink) -> str | None:
    """Why the link does nothing any more; None while it does."""
    spent = tx.spent_links.get(link.moment)
    if spent is not None:
        at = datetime.fromtimestamp(spent.at, UTC).strftime("%d %B %Y, %H:%M UTC")
        return f"This is decided: on {at}, {_DONE[spent.act]} by a link of this row. A link works once."
    offer = action_links.offers(tx, run).get(link.act)
    if offer is None or offer.link.version != link.version:
        return (
            f"The run has gone on since this link was made: it is now “{AIRTABLE_STATUS[run.status]}”. "
            "What can be decided about it now stands in the row, in Decide."
        )
    return None


_ACTS: Mapping[Act, Callable[[Services, Tx, Actor, Run, int], Run]] = {
    Act.APPROVE: control.approve_within,
    Act.RETRY: control.retry_within,
    Act.CANCEL: lambda services, tx, who, run, _: control.cancel_within(services, tx, who, run),
}
