"""How the service is, for whoever operates it: a line for each subject, the worst first, each with what to do.

From SQL, and nothing of it grows with what was made before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from pipelines.domain.customers.notices import DisabledReason, NoticeStatus
from pipelines.domain.lifecycle import IN_FLIGHT, MOVING, GenerationStatus, RunStatus
from pipelines.domain.money import DEPLOYMENT, show
from pipelines.domain.records import PaymentStatus
from pipelines.domain.times import utc_day
from pipelines.ports import Tx
from pipelines.stages.files import usage
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import audit, circuit_breaker, stop_switch

PUMP = "pump"
DAY_S, HOUR_S = 86_400.0, 3_600.0
LATE_S = 300.0
"""What is due for so long is late."""
MANY = 100


class Level(IntEnum):
    """How bad it is."""

    BAD = 0
    WARNING = 1
    FINE = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One subject. `since` is when the oldest of what it tells began; `run_ids` are the runs that it is about."""

    subject: str
    level: Level
    sentence: str
    advice: str = ""
    since: float | None = None
    run_ids: tuple[str, ...] = ()


def lines(services: Services) -> list[Line]:
    """The worst first, and of equal ones what has lasted longest."""
    now = services.clock.now()
    with services.store.read() as tx:
        found = [
            _stop(tx),
            _in_doubt(tx),
            _payments(tx),
            _outbox(tx, now),
            *_outages(tx),
            _waiting(tx, now),
            _notices(tx, now),
            _endpoints(tx),
            _inbox(tx, now),
            _books(services, tx, now),
            _pump(tx, now),
            *_providers(services, tx, now),
            *_without_key(services),
            _stored(services, tx),
        ]
    return sorted(found, key=lambda line: (line.level, line.since or now))


def _stop(tx: Tx) -> Line:
    reason = stop_switch.reason_if_on(tx)
    if reason is None:
        return Line("Spending", Level.FINE, "Spending is allowed.")
    return Line("Spending", Level.BAD, f"Nothing new is bought: {reason}.", "Runs wait and go on when you lift it.")


def _in_doubt(tx: Tx) -> Line:
    found = tx.generations.find(status=GenerationStatus.UNKNOWN, order="updated_at", limit=MANY)
    if not found:
        return Line("Money in doubt", Level.FINE, "None.")
    amount = show(sum(gen.reserve_micro for gen in found))
    more = " or more" if len(found) >= MANY else ""
    sentence = f"{len(found)}{more} {'clip' if len(found) == 1 else 'clips'}, {amount}: the provider did not say."
    advice = "Open the run and decide: wait, write off and make it again, or cancel. Nothing is bought twice meanwhile."
    return Line("Money in doubt", Level.BAD, sentence, advice, found[0].updated_at, _distinct(g.run_id for g in found))


def _payments(tx: Tx) -> Line:
    found = tx.payments.find(status=PaymentStatus.IN_DOUBT, order="created_at", limit=MANY)
    if not found:
        return Line("Payments", Level.FINE, "None in doubt.")
    sentence = f"{len(found)} in doubt, {show(sum(one.amount_micro for one in found))}."
    return Line("Payments", Level.BAD, sentence, "Look each up, then: flask payments decide.", found[0].created_at)


def _outbox(tx: Tx, now: float) -> Line:
    waiting = tx.outbox.count(after={"next_at": 0.0})
    oldest = tx.outbox.find(order="next_at", limit=1, before={"next_at": now})
    if not oldest:
        return Line("Airtable", Level.FINE, f"{waiting} {'row' if waiting == 1 else 'rows'} to be written, none late.")
    since = oldest[0].next_at
    late = since is not None and since < now - LATE_S
    sentence = f"{waiting} {'row is' if waiting == 1 else 'rows are'} to be written."
    advice = "If this grows: flask airtable doctor." if late else ""
    return Line("Airtable", Level.WARNING if late else Level.FINE, sentence, advice, since)


def _outages(tx: Tx) -> Iterator[Line]:
    for outage in tx.base_outages.find():
        if outage.on:
            advice = "It opens again by itself." if outage.by_itself else "Then: flask airtable doctor."
            yield Line(f"Base {outage.id}", Level.WARNING, outage.sentence, advice, outage.at)


def _waiting(tx: Tx, now: float) -> Line:
    moving = tx.runs.count(status=tuple(sorted(MOVING)))
    yours = tx.runs.count(status=(RunStatus.NEEDS_APPROVAL, RunStatus.NEEDS_ATTENTION))
    stuck = tx.runs.find(order="next_at", limit=MANY, before={"next_at": now - LATE_S})
    sentence = f"{moving} moving, {yours} waiting for a person."
    if not stuck:
        return Line("Films", Level.FINE, sentence, "The queue says what each waits for." if moving or yours else "")
    advice = f"{len(stuck)} should have gone on by now: is the worker service running, with enough WORKERS?"
    return Line("Films", Level.WARNING, sentence, advice, stuck[0].next_at, _distinct(run.id for run in stuck))


def _notices(tx: Tx, now: float) -> Line:
    failed = tx.notices.count(status=NoticeStatus.FAILED, after={"created_at": now - DAY_S})
    oldest = tx.notices.find(order="next_at", limit=1, before={"next_at": now})
    if failed:
        sentence = f"{failed} {'message' if failed == 1 else 'messages'} of today did not arrive."
        return Line("Webhooks out", Level.WARNING, sentence, "flask webhooks list, then resend or recover.")
    since = oldest[0].next_at if oldest else None
    late = since is not None and since < now - LATE_S
    sentence = "Some messages are late." if late else "What was sent in the last day arrived, or is tried again."
    return Line("Webhooks out", Level.WARNING if late else Level.FINE, sentence, "", since)


def _endpoints(tx: Tx) -> Line:
    off = [one for one in tx.endpoints.find() if one.off not in {None, DisabledReason.PAUSED}]
    if not off:
        return Line("Endpoints", Level.FINE, "None was switched off.")
    sentence = f"{len(off)} switched off, because nothing arrived or they answered 410."
    return Line(
        "Endpoints", Level.WARNING, sentence, "Tell whose they are, then: flask webhooks enable.", off[0].off_at
    )


def _inbox(tx: Tx, now: float) -> Line:
    heard = tx.inbox.count(after={"at": now - HOUR_S})
    sentence = f"{heard} in the last hour that were signed and not heard before."
    return Line("Webhooks in", Level.FINE, sentence, "Forged or odd ones are counted in /metrics.")


def _books(services: Services, tx: Tx, now: float) -> Line:
    cap, total = services.policy.day_cap_micro, tx.balance_of(DEPLOYMENT, utc_day(now))
    sentence = f"Today {show(total.spent_on_day)} of {show(cap)}; {show(total.exposure)} is set aside."
    proven = tx.checkpoints.get(audit.AUDIT)
    advice = "flask ledger audit proves that the books balance" + (", from where it last did." if proven else ".")
    if total.used >= cap:
        return Line("Ledger", Level.BAD, sentence, "Today's budget is used up. Raise MAX_COST_PER_DAY_USD, or wait.")
    return Line("Ledger", Level.FINE, sentence, advice)


def _pump(tx: Tx, now: float) -> Line:
    processes = tx.processes.find()
    alive = [one for one in processes if one.is_alive(now)]
    # Each pool of workers numbers its own (`steps0`, `steps1`); here their number is what counts.
    kinds = Counter(one.kind.rstrip("0123456789") for one in alive)
    beats = [one.beat_at for one in processes if one.kind == PUMP]
    if PUMP not in kinds:
        advice = "Start the worker service: python -m worker."
        return Line("Processes", Level.BAD, "No worker service beats: nothing moves.", advice, max(beats, default=None))
    told = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    return Line("Processes", Level.FINE, f"{told}; last beat {max(0, round(now - max(beats)))} s ago.")


def _providers(services: Services, tx: Tx, now: float) -> Iterator[Line]:
    cards = [card for card in services.catalogue.values() if not card.free]
    making = {card.id: tx.generations.count(model=card.id, status=tuple(sorted(IN_FLIGHT))) for card in cards}
    for name in sorted({card.provider for card in cards if services.providers.configured(card.provider)}):
        models = [card for card in cards if card.provider == name]
        broken = [card.id for card in models if circuit_breaker.is_open(tx, card.id, now)]
        busy = [f"{card.id} makes {making[card.id]} of {card.max_in_flight}" for card in models if making[card.id]]
        sentence = f"{', '.join(busy)}." if busy else "Set up; nothing is being made."
        if broken:
            sentence = f"{', '.join(broken)} {'fails' if len(broken) == 1 else 'fail'} again and again. {sentence}"
            advice = "One clip at a time is tried. See the provider's status page, and your account there."
            yield Line(f"Provider {name}", Level.WARNING, sentence, advice)
        else:
            yield Line(f"Provider {name}", Level.FINE, sentence)


def _without_key(services: Services) -> Iterator[Line]:
    names = sorted({card.provider for card in services.catalogue.values() if not card.free})
    missing = [f"{name} needs {variable}" for name in names if (variable := services.providers.missing(name))]
    if missing:
        advice = "Nothing is made with their models until it is set; then start web and worker again."
        yield Line("Providers not set up", Level.FINE, f"{', '.join(missing)}.", advice)


def _stored(services: Services, tx: Tx) -> Line:
    used, limit = usage.stored_bytes(tx), services.policy.storage_limit_bytes
    sentence = f"{used / usage.GIB:.2f} GB" + (f" of {limit / usage.GIB:g} GB." if limit else ".")
    if limit is None or used < limit * usage.WARN_AT:
        return Line("Storage", Level.FINE, sentence)
    level = Level.BAD if used >= limit else Level.WARNING
    return Line("Storage", level, sentence, "Keep clips for fewer days (KEEP_CLIPS_DAYS), or raise STORAGE_LIMIT_GB.")


def _distinct(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
