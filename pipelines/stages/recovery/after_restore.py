"""After a backup was brought back: what was taken back holds again, and what was bought since is found again."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pipelines.domain.errors import NotAllowed, NotFound, ReelgridError
from pipelines.domain.keys import job_key
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.records import RESTORED, Checkpoint, Generation
from pipelines.ports import Job, Tx
from pipelines.stages.commerce import accounts
from pipelines.stages.files import erase, revocations
from pipelines.stages.files.revocations import Revocation, Revoked
from pipelines.stages.generations import restored
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

REPLAYED = "revocations"
"""The checkpoint of when revocations were done again after a restore."""
SLACK_S = 600.0
"""What was taken back just before the backup may have been committed just after it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many revocations hold again, and what could not be done yet, in sentences."""

    done: int
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A job at a provider that nothing here knows: bought by a run of which the backup holds nothing, or elsewhere."""

    provider: str
    job: Job


@dataclass(frozen=True, slots=True)
class Report:
    """Where the way back has come to."""

    known_until: float
    restored_at: float
    replayed: Replayed
    found: tuple[Generation, ...]
    """Requests that were bought after the backup, and are ours again."""
    looking: tuple[Generation, ...]
    in_doubt: tuple[Generation, ...]
    not_bought: int
    unclaimed: tuple[Unclaimed, ...]
    unlisted: tuple[str, ...]
    """Why a provider's jobs could not be listed, in sentences."""


def before_answering(services: Services) -> None:
    """Once after a restore, before anybody is answered. Raises Unavailable while storage is away."""
    with services.store.read() as tx:
        brought_back, replayed = tx.checkpoints.get(RESTORED), tx.checkpoints.get(REPLAYED)
    if brought_back is None or (replayed is not None and replayed.at >= brought_back.at):
        return
    again = replay(services)
    logger.warning("the database was restored: %d revocations hold again", again.done)
    for sentence in again.waiting:
        logger.warning("not yet: %s", sentence)


def replay(services: Services) -> Replayed:
    """Take back again what was taken back since the backup. Doing it twice changes nothing."""
    with services.store.read() as tx:
        unknown = restored.gap(tx)
    told = list(revocations.noted_since(services, unknown[0] - SLACK_S if unknown else 0.0))
    waiting = tuple(sentence for one in told if (sentence := _again(services, one)))
    now = services.clock.now()
    with services.store.write() as tx:
        if not tx.checkpoints.change(REPLAYED, at=now):
            tx.checkpoints.add(Checkpoint(id=REPLAYED, at=now))
    return Replayed(len(told) - len(waiting), waiting)


def _again(services: Services, told: Revocation) -> str:
    """Why it cannot be done yet; nothing when it is, or when the backup is of before the thing itself."""
    try:
        _revoke(services, told)
    except NotAllowed as error:
        return f"{told.what} {told.id}: {error.marketer}"
    except NotFound:
        logger.info("%s %s was taken back, and is not known here", told.what, told.id)
    return ""


def _revoke(services: Services, told: Revocation) -> None:
    columns = told.columns
    if told.what is Revoked.ROW:
        erase.erase(services, columns["base_id"], told.id, actor="restore")
    elif told.what is Revoked.BASE:
        accounts.give_base(services, told.id, columns["account_id"])
    else:
        with services.store.write() as tx:
            match told.what:
                case Revoked.KEY:
                    tx.keys.change(told.id, **columns)
                case Revoked.ACCOUNT:
                    tx.accounts.change(told.id, **columns)
                case Revoked.FILM:
                    tx.cuts.change(told.id, **columns)
                case Revoked.SHARE:
                    tx.shares.change(told.id, **columns)
                case Revoked.WEBHOOK if columns:
                    tx.endpoints.change(told.id, **columns)
                case Revoked.WEBHOOK:
                    tx.endpoints.remove(told.id)


def report(services: Services) -> Report:
    """What was found, is being looked for, or needs a person. Raises NotAllowed for a database never restored."""
    with services.store.read() as tx:
        unknown = restored.gap(tx)
        if unknown is None:
            raise NotAllowed(
                marketer="This database was not restored by flask db restore. If your host brought it back, say from "
                "which moment: flask recover --since 2026-11-29T10:00Z"
            )
        doubted = tx.generations.find(id=_told_of(tx, restored.LOOKED_FOR, unknown[1]), order="created_at")
        adopted = set(_told_of(tx, "adopted", unknown[1]))
    again = replay(services)
    unclaimed, unlisted = _unclaimed(services, unknown[0])
    ours = tuple(gen for gen in doubted if gen.id in adopted)
    open_ones = [gen for gen in doubted if gen.status is GenerationStatus.UNKNOWN]
    return Report(
        known_until=unknown[0],
        restored_at=unknown[1],
        replayed=again,
        found=ours,
        looking=tuple(gen for gen in open_ones if gen.next_at is not None),
        in_doubt=tuple(gen for gen in open_ones if gen.next_at is None),
        not_bought=len(doubted) - len(ours) - len(open_ones),
        unclaimed=unclaimed,
        unlisted=unlisted,
    )


def _told_of(tx: Tx, name: str, since: float) -> list[str]:
    """The generations that an event since the restore is about."""
    return sorted({event.entity_id for event in tx.events.find(name=name, after={"at": since - 1.0})})


def _unclaimed(services: Services, since: float) -> tuple[tuple[Unclaimed, ...], tuple[str, ...]]:
    """Of every provider that is set up, the jobs since then that no generation has."""
    found: list[Unclaimed] = []
    silent: list[str] = []
    names = {card.provider for card in services.catalogue.values() if not card.free}
    for name in sorted(name for name in names if services.providers.configured(name)):
        try:
            jobs = services.providers.get(name).jobs(since)
        except ReelgridError as error:
            silent.append(error.operator)
            continue
        with services.store.read() as tx:
            keys = [job_key(job.id) for job in jobs]
            known = {gen.provider_id for gen in tx.generations.find(provider=name, provider_id=keys)}
        found += [Unclaimed(name, job) for job in jobs if job_key(job.id) not in known]
    return tuple(found), tuple(silent)
