"""Whether a base refuses our writes for longer than a pause: its quota is used up, or our token is not taken."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.domain.errors import AirtableDenied, AirtableQuota, NotConfigured, ReelgridError
from pipelines.domain.records import Switch
from pipelines.domain.state.shared import SwitchDetail
from pipelines.ports import Tx


@dataclass(frozen=True, slots=True)
class Outage:
    """Why a base is shut. `by_itself`: it opens again without anybody's help."""

    sentence: str
    by_itself: bool


def _name(base_id: str) -> str:
    return f"board:{base_id}"


def record_result(tx: Tx, base_id: str, error: ReelgridError | None, now: float) -> None:
    """Remember how the last call went; an error that passes soon says nothing."""
    if error is not None and not isinstance(error, AirtableQuota | AirtableDenied | NotConfigured):
        return
    switch = tx.switches.get(_name(base_id))
    if error is None:
        if switch is not None and switch.on:
            tx.switches.change(switch.id, on=False, at=now)
        return
    detail = SwitchDetail(by_itself=isinstance(error, AirtableQuota))
    if switch is None:
        tx.switches.add(Switch(id=_name(base_id), on=True, at=now, reason=error.marketer, detail=detail))
    elif not switch.on or switch.reason != error.marketer:
        tx.switches.change(switch.id, on=True, at=now, reason=error.marketer, detail=detail)


def current_outage(tx: Tx, base_id: str) -> Outage | None:
    """Why nothing can be written there now; None when all is well."""
    switch = tx.switches.get(_name(base_id))
    if switch is None or not switch.on:
        return None
    return Outage(switch.reason, switch.detail.by_itself)
