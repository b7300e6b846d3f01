"""What was quoted, spent and not made, and what is stored: for the API, the pages and the command line. Reads only.

Sums come from the totals of days, and by record from the entries of the days that are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.money import DEPLOYMENT, dollars, subject
from pipelines.domain.times import utc_day
from pipelines.ports import Tx, UsageGroup
from pipelines.stages.files.usage import Use
from pipelines.stages.files.usage import usage as stored
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book
from pipelines.stages.views.documents import Columns, UsageRow

DAY_S, WEEK_S = 86_400.0, 7 * 86_400.0
MANY = 100
"""So many are looked at, of what is in doubt and of what goes next."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of an account that pays in credits, what it was charged."""

    groups: Sequence[UsageGroup]
    spent_today_usd: float
    day_cap_usd: float | None


def usage(services: Services, by: Sequence[str], since: str | None, until: str | None) -> Usage:
    """Spend grouped by columns of the ledger, projects by their names, and today's against the cap."""
    today = utc_day(services.clock.now())
    with services.store.read() as tx:
        account = tx.accounts.get(tx.account_id) if tx.account_id else None
        sold = credit_book.pays_in_credits(tx, services.prices, tx.account_id)
        told = _charged(tx, by, since, until) if sold else tx.usage(by, since=since, until=until)
        groups = _with_project_names(tx, _with_own_keys(tx, told))
        if sold:
            spent_today = sum(group.spent_micro for group in tx.charged(["day"], since=today, until=today))
        else:
            spent_today = tx.balance_of(subject("account", account.id) if account else DEPLOYMENT, today).spent_on_day
    cap = account.day_cap_micro if account else services.policy.day_cap_micro
    return Usage(groups, dollars(spent_today), None if cap is None else dollars(cap))


def rows(usage: Usage, shown: Mapping[str, str]) -> list[UsageRow]:
    """In dollars, with columns under the names by which they are shown."""
    return [_in_dollars(group, shown) for group in usage.groups]


def _in_dollars(group: UsageGroup, shown: Mapping[str, str]) -> UsageRow:
    columns = cast("Columns", {shown.get(column, column): value for column, value in group.group.items()})
    return UsageRow(
        refused=group.refused,
        failed=group.failed,
        **columns,
        seconds=group.seconds,
        generations=group.generations,
        billed_usd=dollars(group.billed_micro),
        listed_usd=dollars(group.listed_micro),
        quoted_usd=None if group.quoted_micro is None else dollars(group.quoted_micro),
        spent_usd=dollars(group.spent_micro),
        variance_usd=dollars(group.variance_micro),
    )


def _charged(tx: Tx, by: Sequence[str], since: str | None, until: str | None) -> list[UsageGroup]:
    """The book of credits does not tell what came to nothing: that is counted without money."""
    groups = tx.charged(by, since=since, until=until)
    if "record_id" in by:
        return groups
    found = {group.key: replace(group, refused=0, failed=0) for group in groups}
    for made in tx.usage(by, since=since, until=until):
        if made.refused or made.failed:
            nothing = UsageGroup(group=made.group, quoted_micro=None if "model" in by else 0)
            known = found.get(made.key, nothing)
            found[made.key] = replace(known, refused=made.refused, failed=made.failed)
    return list(found.values())


def _with_own_keys(tx: Tx, groups: Sequence[UsageGroup]) -> Sequence[UsageGroup]:
    """What keys that are not the account's own have spent for it is one sum, like what was spent without a key."""
    if tx.account_id is None or not any("key_id" in group.group for group in groups):
        return groups
    own = {key.id for key in tx.keys.find()}
    summed: dict[tuple[str | None, ...], UsageGroup] = {}
    for group in groups:
        key_id = group.group["key_id"]
        shown = replace(group, group={**group.group, "key_id": key_id if key_id in own else None})
        summed[shown.key] = summed[shown.key] + shown if shown.key in summed else shown
    return list(summed.values())


def _with_project_names(tx: Tx, groups: Sequence[UsageGroup]) -> Sequence[UsageGroup]:
    ids = {project_id for group in groups if (project_id := group.group.get("project_id"))}
    names = {project.id: project.name for project in tx.projects.find(id=tuple(ids))} if ids else {}
    return [
        replace(group, group={**group.group, "project_id": names.get(group.group["project_id"] or "")})
        if "project_id" in group.group
        else group
        for group in groups
    ]


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
        ends = {"created_at": now - kept + WEEK_S}
        first = tx.clips.find(deleted_at=None, before=ends, order="created_at", limit=1)
        soon = tx.clips.count(deleted_at=None, before=ends, limit=MANY) if first else 0
        return Stored(kinds, first[0].created_at + kept if first else None, soon)
