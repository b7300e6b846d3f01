"""The links in a row's `Decide`: what a person may decide about its run now, each for a price.

What the row should say is kept without the links; they are signed when it is sent, so that the database holds none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.domain.lifecycle import OPEN, RunStatus
from pipelines.domain.money import show_enough
from pipelines.domain.records import Run, Scene
from pipelines.domain.state.action_link import Act, ActionLink
from pipelines.ports import Tx
from pipelines.stages.base_rows.next_action import NextAction, next_action
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book, ledger

DEARER = "dearer"
"""What was agreed to by a link has become dearer: asked again."""
_MOMENTS = ("status", "approved", DEARER, "erased")
"""Events of a run after which what was offered before counts no more."""
_MARK = "act:{}:{}:{}"
_MARKS = re.compile(r"act:(\w+):(\d+):(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """A link, and what it would buy at most."""

    link: ActionLink
    price_micro: int


def offers(tx: Tx, run: Run) -> dict[Act, Offer]:
    """What may be decided by a link now. Money in doubt is decided by the operator, who signs in for it; what needs a
    changed row has no price yet.
    """
    missing = _missing(tx, run)
    if missing is None:
        return {}
    version = version_of(tx, run)
    going_on = Act.APPROVE if run.status is RunStatus.NEEDS_APPROVAL else Act.RETRY
    price, ceiling = _charged(tx, run, missing) if run.price_micro is not None else _costing(tx, run, missing)
    act = ActionLink(act=going_on, run_id=run.id, version=version, ceiling_micro=ceiling)
    stop = ActionLink(act=Act.CANCEL, run_id=run.id, version=version, ceiling_micro=0)
    return {going_on: Offer(act, price), Act.CANCEL: Offer(stop, 0)}


def _missing(tx: Tx, run: Run) -> list[Scene] | None:
    """The scenes that going on would buy; None where that is not what a person is asked for."""
    if run.status is RunStatus.NEEDS_APPROVAL:
        return [] if run.approval == "asked" else None
    if next_action(tx, run) not in (NextAction.AGAIN, NextAction.SCENES) or run.status is RunStatus.FAILED:
        return None
    taken = {gen.scene_id for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN))}
    return [scene for scene in tx.scenes.find(run_id=run.id) if scene.clip_id is None and scene.id not in taken]


def _costing(tx: Tx, run: Run, missing: Sequence[Scene]) -> tuple[int, int]:
    """What going on costs at most, and what the run comes to with it."""
    own = ledger.of_run(tx, run.id)
    price = sum(scene.settings.price_micro + scene.settings.softening_micro for scene in missing)
    price += sum(scene.settings.speech_micro for scene in tx.scenes.find(run_id=run.id) if not scene.is_said)
    price += ledger.pictures_left(tx, run)[0]
    if run.status is RunStatus.NEEDS_APPROVAL:
        price = ledger.held(tx, run)
    return price, own.committed + own.spent + price


def _charged(tx: Tx, run: Run, missing: Sequence[Scene]) -> tuple[int, int]:
    """The same for whoever pays in credits: what is charged, and nothing of what it costs."""
    due = sum(scene.settings.charge_micro for scene in tx.scenes.find(run_id=run.id, clip_id=None))
    due += sum(scene.settings.speech_charge_micro for scene in tx.scenes.find(run_id=run.id) if not scene.is_said)
    due += ledger.pictures_left(tx, run)[1] + credit_book.open_drafts(tx, run)
    due += ledger.drafts_left(tx, run, tx.scenes.find(run_id=run.id, clip_id=None))[1]
    total = credit_book.total(tx, run, due)
    if run.status is RunStatus.NEEDS_APPROVAL:
        return credit_book.set_aside(tx, run.id), total
    return credit_book.rounded(tx, run, sum(scene.settings.charge_micro for scene in missing)), total


def is_dearer(tx: Tx, run: Run, cost: int, due: int) -> bool:
    """Whether a run comes to more than was agreed to by a link: by what it costs, or by what is still to be charged."""
    if run.ceiling_micro is None:
        return False
    return (cost if run.price_micro is None else credit_book.total(tx, run, due)) > run.ceiling_micro


def version_of(tx: Tx, run: Run) -> int:
    """The newest event that changed what can be decided about a run."""
    found = tx.events.find(run_id=run.id, entity="run", name=_MOMENTS, order="-id", limit=1)
    return (found[0].id or 0) if found else 0


def cell(tx: Tx, run: Run) -> str | None:
    """What `Decide` should say, with a mark where each link will stand; None where nothing is asked."""
    lines = [
        f"{label(offer)}:\n" + _MARK.format(offer.link.act, offer.link.version, offer.link.ceiling_micro)
        for offer in offers(tx, run).values()
    ]
    return "\n".join(lines) or None


def label(offer: Offer) -> str:
    """The act in a few words, with its price."""
    if offer.link.act is Act.CANCEL:
        return "Cancel; what is paid for is kept"
    price = f"for at most {show_enough(offer.price_micro)}" if offer.price_micro else "at no cost"
    return f"Approve {price}" if offer.link.act is Act.APPROVE else f"Go on {price}"


def with_links(services: Services, run_id: str, cell: str) -> str:
    """The cell as Airtable gets it."""

    def signed(mark: re.Match[str]) -> str:
        act, version, ceiling = mark.groups()
        link = ActionLink(act=Act(act), run_id=run_id, version=int(version), ceiling_micro=int(ceiling))
        return services.links.action(link)

    return _MARKS.sub(signed, cell)
