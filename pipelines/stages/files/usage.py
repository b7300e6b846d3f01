"""How much is stored, by whom, and whether there is room for more."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.domain.errors import StorageFull
from pipelines.domain.money import show
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

By = Literal["kind", "account", "base", "key"]
GIB = 1024.0**3
WARN_AT = 0.8
"""The part of STORAGE_LIMIT_GB from which on everybody is warned."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one group of files takes: the group's values in the order asked for."""

    group: tuple[str, ...]
    files: int
    size: int


def stored_bytes(tx: Tx) -> int:
    """All that is stored, as counted: never a listing, and never a sum over the files."""
    return sum(total.size for total in tx.file_totals.find())


def usage(tx: Tx, by: Sequence[By]) -> list[Use]:
    """What each group of files takes, the largest first."""
    files, sizes = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for total in tx.file_totals.find():
        values = {"account": total.account_id, "base": total.base_id, "key": total.key_id, "kind": total.kind.value}
        group = tuple(values[name] or "" for name in by)
        files[group] += total.files
        sizes[group] += total.size
    return [Use(group, files[group], size) for group, size in sizes.most_common() if files[group]]


def must_have_room(services: Services, tx: Tx, account_id: str | None) -> None:
    """Raise StorageFull when STORAGE_LIMIT_GB is reached: what is bought must have a place to be kept. The limit is of
    all that is stored; how much that is, an account is not told.
    """
    limit = services.policy.storage_limit_bytes
    if limit is None or (used := stored_bytes(tx)) < limit:
        return
    figures = f"{used / GIB:.1f} of {limit / GIB:g} GB"
    told = (
        f"Our storage is full ({figures}). Ask your operator to make room or to raise the limit, then start again: "
        "nothing was bought."
    )
    raise StorageFull(f"storage holds {figures}", marketer=told if account_id is None else None)


def month_micro(services: Services, size: float) -> int | None:
    """Micro-dollars that so many bytes cost a month; None where STORAGE_USD_PER_GB is not set."""
    price = services.policy.storage_gb_month_micro
    return None if price is None else round(size / GIB * price)


def month_sentence(services: Services) -> str | None:
    """What is stored and costs, where its price is known."""
    with services.store.read() as tx:
        used = stored_bytes(tx)
    cost = month_micro(services, used)
    return None if cost is None else f"{used / GIB:,.1f} GB are stored; a month of it costs {show(cost)}"


def warning(services: Services) -> str | None:
    """A sentence from four fifths of STORAGE_LIMIT_GB on."""
    limit = services.policy.storage_limit_bytes
    if limit is None:
        return None
    with services.store.read() as tx:
        used = stored_bytes(tx)
    if used < limit * WARN_AT:
        return None
    refused = "new films are refused" if used >= limit else "at 100 % new films are refused"
    return f"{used / GIB:.1f} of {limit / GIB:g} GB are used ({used / limit:.0%}); {refused}"


def warn(services: Services) -> None:
    """Say so in the log."""
    sentence = warning(services)
    if sentence:
        logger.warning("storage: %s", sentence)
