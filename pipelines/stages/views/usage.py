"""What was quoted, spent and not made, and what is stored: for the API, the pages and the command line. Reads only.

Sums come from the totals of days, and by record from the entries of the days that are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.money import DEPLOYMENT, dollars, subject
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.files.usage import Use
from pipelines.stages.files.usage import usage as stored
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book

DAY_S, WEEK_S = 86_400.0, 7 * 86_400.0
FAILURES = ("refused", "failed")
_SUMS = (*("quoted_micro", "spent_micro", "seconds", "generations"), *FAILURES, "listed_micro", "billed_micro")
MANY = 100
"""So many are looked at, of what is in doubt and of what goes next."""


def usage(services: Services, by: Sequence[str], since: str | None, until: str | None) -> dict[str, Any]:
    """Spend grouped by columns of the ledger, projects by their names, and today's against the cap: of an account that
    pays in credits, what it was charged.
    """
    today = utc_day(services.clock.now())
    with services.store.read() as tx:
        account = tx.accounts.get(tx.account_id) if tx.account_id else None
        sold = credit_book.pays_in_credits(tx, services.prices, tx.account_id)
        rows = (_charged if sold else _spent)(tx, by, since, until)
        rows = _with_project_names(tx, by, _with_own_keys(tx, by, rows))
        if sold:
            spent_today = sum(row["spent_micro"] for row in tx.charged(["day"], since=today, until=today))
        else:
            spent_today = tx.balance_of(subject("account", account.id) if account else DEPLOYMENT, today).spent_on_day
    day_cap = account.day_cap_micro if account else services.policy.day_cap_micro
    return {
        "rows": [_in_dollars(row) for row in rows],
        "spent_today_usd": dollars(spent_today),
        "day_cap_usd": None if day_cap is None else dollars(day_cap),
    }


def _spent(tx: Tx, by: Sequence[str], since: str | None, until: str | None) -> list[dict[str, Any]]:
    return tx.usage(by, since=since, until=until)


def _charged(tx: Tx, by: Sequence[str], since: str | None, until: str | None) -> list[dict[str, Any]]:
    """The book of credits does not tell what came to nothing: that is counted without money."""
    rows = tx.charged(by, since=since, until=until)
    if "record_id" in by:
        return [{**row, **dict.fromkeys(FAILURES)} for row in rows]
    nothing = dict.fromkeys(_SUMS, 0) | ({"quoted_micro": None} if "model" in by else {})
    found = {tuple(row[name] for name in by): {**row, **dict.fromkeys(FAILURES, 0)} for row in rows}
    for row in tx.usage(by, since=since, until=until):
        if row["refused"] or row["failed"]:
            group = {name: row[name] for name in by}
            known = found.setdefault(tuple(group.values()), group | nothing)
            known |= {name: row[name] for name in FAILURES}
    return list(found.values())


def _with_own_keys(tx: Tx, by: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What keys that are not the account's own have spent for it is one sum, like what was spent without a key."""
    if tx.account_id is None or "key_id" not in by:
        return list(rows)
    own = {key.id for key in tx.keys.find()}
    summed: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        shown = {**row, "key_id": row["key_id"] if row["key_id"] in own else None}
        same = summed.setdefault(tuple(shown[name] for name in by), shown)
        if same is not shown:
            for figure in _SUMS:
                same[figure] = None if same[figure] is None else same[figure] + shown[figure]
    return list(summed.values())


def _with_project_names(tx: Tx, by: Sequence[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if "project_id" not in by:
        return rows
    ids = {row["project_id"] for row in rows if row["project_id"]}
    names = {project.id: project.name for project in tx.projects.find(id=tuple(ids))} if ids else {}
    return [{**row, "project_id": names.get(row["project_id"])} for row in rows]


def _in_dollars(row: Mapping[str, Any]) -> dict[str, Any]:
    amounts = {
        name.replace("_micro", "_usd"): None if row[name] is None else dollars(row[name])
        for name in row
        if name.endswith("_micro")
    }
    known = {name: value for name, value in row.items() if not name.endswith("_micro")}
    return known | amounts | {"variance_usd": dollars(row["billed_micro"] - row["listed_micro"])}


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Money of which nobody knows whether it was spent. `most_micro` is not for an account."""

    run_ids: tuple[str, ...]
    generations: int
    most_micro: int
    since: float | None


def in_doubt(services: Services) -> InDoubt:
    """What waits for a person to decide, the oldest first."""
    with services.store.read() as tx:
        found = tx.generations.find(status=GenerationStatus.UNKNOWN, order="updated_at", limit=MANY)
    return InDoubt(
        tuple(dict.fromkeys(gen.run_id for gen in found)),
        len(found),
        sum(gen.reserve_micro for gen in found),
        found[0].updated_at if found else None,
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored, the largest kind first, and what of it is deleted next (the operator's; None for an account)."""

    kinds: tuple[Use, ...]
    next_at: float | None = None
    this_week: int = 0
    """Clips whose time is over within a week, or was while a run still needed them; no more than `MANY`."""


def storage(services: Services) -> Stored:
    """From counted sums, never a listing."""
    now, kept = services.clock.now(), services.policy.keep_clips_s
    with services.store.read() as tx:
        if tx.account_id is not None:
            own = [use for use in stored(tx, ["account", "kind"]) if use.group[0] == tx.account_id]
            return Stored(tuple(Use(use.group[1:], use.files, use.size) for use in own))
        kinds = tuple(stored(tx, ["kind"]))
        if kept is None:
            return Stored(kinds)
        soon = tx.clips.find(
            deleted_at=None, before={"created_at": now - kept + WEEK_S}, order="created_at", limit=MANY
        )
        return Stored(kinds, soon[0].created_at + kept if soon else None, len(soon))
