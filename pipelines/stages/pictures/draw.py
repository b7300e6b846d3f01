"""Buying pictures: each is committed before it is asked for, asked for once, and kept before anything else happens.

An answer that got lost counts as spent; there is one more try inside what was quoted. After a restore storage knows
more than the database: what it has is not bought again. A film whose picture does not come is made without it, and its
row says so.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import Busy, InvalidOrder, ReelgridError, Retryable
from pipelines.domain.keys import storage_folder
from pipelines.domain.lifecycle import HOLDING, OPEN_PURCHASE, GenerationStatus, RunStatus
from pipelines.domain.planning.pictures import TRIES
from pipelines.domain.records import Purchase, Run
from pipelines.ports import MediaInput, Tx, log_context
from pipelines.stages.files import keep
from pipelines.stages.generations import prompt_check, restored
from pipelines.stages.generations.submit import insist
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, transition_purchase, wake_run, warn
from pipelines.stages.spending import credit_book, purchases, stop_switch

_G = GenerationStatus
PATIENCE_S = 20.0
"""A film does not wait longer than this before each further try, whatever the picture service asks for."""
ROOM_BYTES = 64 << 20
"""So much of the disk is free before a picture is asked for: its answer, and its copy in a storage that is a disk."""
TROUBLES = 4
"""So often a service that is away is asked; then the film is made without the picture."""
STOPPED = "Spending is stopped."
WITHOUT = "A picture was not made. {} The video is made without it."


def advance(services: Services, actor: Actor, purchase_id: str) -> None:
    """Buy one picture, or take what somebody who died had bought."""
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
    if bought is None or run is None or bought.status not in OPEN_PURCHASE:
        services.store.release("purchases", purchase_id, actor.lease or "", next_at=None, attempts=0)
        return
    log_context.add(run_id=run.id)
    bought = _settled(services, actor, run, bought)
    if bought.status is _G.PLANNED and run.status in HOLDING:
        try:
            if not _was_made_before(services, actor, run, bought):
                _buy(services, actor, run, bought)
        except Busy:
            # A limit or a switch of ours, or a full disk: however long it takes, nothing is given up.
            raise
        except Retryable as error:
            if bought.attempts < TROUBLES or _is_asked_for(services, bought.id):
                error.retry_after = None if error.retry_after is None else min(error.retry_after, PATIENCE_S)
                raise
            give_up(services, actor, bought.id, error)
    elif bought.status is _G.PLANNED:
        with services.store.write() as tx:
            transition_purchase(tx, actor, bought, _G.CANCELLED, next_at=None, **FREE)
    with services.store.write() as tx:
        _wake(tx, run, services.clock.now())
    # What got lost and is planned once more is asked for again at once.
    services.store.release("purchases", purchase_id, actor.lease or "", next_at=services.clock.now(), attempts=0)


def _is_asked_for(services: Services, purchase_id: str) -> bool:
    """Whether its answer is only to be stored: the film needs our storage all the same."""
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
    return bought is not None and bought.status is _G.SUBMITTING


def _settled(services: Services, actor: Actor, run: Run, bought: Purchase) -> Purchase:
    """One that was asked for by a step that died: what that had brought is taken; else its answer is lost."""
    if bought.status is not _G.SUBMITTING:
        return bought
    if not _was_answered(services, actor, run, bought):
        with services.store.write() as tx:
            purchases.lose(tx, actor, run, bought, TERMS)
        services.points.reach("picture.lost", run=run.id, purchase=bought.id)
    with services.store.read() as tx:
        return tx.purchases.get(bought.id) or bought


def _was_answered(services: Services, actor: Actor, run: Run, asked: Purchase) -> bool:
    """Whether the picture is there after all: in storage, or on this machine because it could not be stored. What its
    answer said of the cost has died with the step.
    """
    key = _key(run, asked)
    answer = _answer(services, key)
    if services.media.stat(key) is not None:
        keep.use(services, run.id, [key])
    elif answer.exists():
        keep.keep(services, run.id, answer, key, "image/jpeg")
    else:
        return False
    insist(lambda: _commit(services, actor, run, asked, key, asked.reserve_micro))
    answer.unlink(missing_ok=True)
    return True


def _was_made_before(services: Services, actor: Actor, run: Run, planned: Purchase) -> bool:
    """After a restore: whether the picture was bought after the backup. Its file is in storage; the money of then,
    which the books have forgotten, counts now.
    """
    with services.store.read() as tx:
        unknown = restored.unknown_of(tx, run, services.clock.now())
    stored = list(services.media.list_prefix(_stem(run, planned))) if unknown is not None else []
    if not stored:
        return False
    key = max(one.key for one in stored)
    keep.use(services, run.id, [key])
    asked = replace(planned, status=_G.SUBMITTING, tries=planned.tries + 1, intent_at=services.clock.now())
    with services.store.write() as tx:
        purchases.must_have_lease(tx, actor, planned.id)
        if purchases.begin(tx, actor, run, planned, asked, TERMS):
            _close_fetched(services, tx, actor, run, asked, key, asked.reserve_micro)
    return True


def _answer(services: Services, key: str) -> Path:
    """Where an answer lies on this machine until it is stored and counted."""
    return services.work / "pictures" / key.rpartition("/")[2]


def _buy(services: Services, actor: Actor, run: Run, bought: Purchase) -> None:
    """Intent, one call, the file into storage, commit."""
    asked = _intended(services, actor, run, bought)
    if asked is None or asked.picture is None:
        return
    services.points.reach("picture.intended", run=run.id, purchase=asked.id)
    key = _key(run, asked)
    answer = _answer(services, key)
    try:
        with scratch.draft(services, "pictures", f"{asked.id}.jpg") as path:
            files = [(source, scratch.local(services, source)) for source in asked.picture.sources]
            sources = [MediaInput(key=source, path=file, content_type="image/jpeg") for source, file in files]
            cost = services.pictures.edit(asked.picture, sources, path, services.today)
            services.points.reach("picture.made", run=run.id, purchase=asked.id)
            path.replace(answer)
    except ReelgridError as error:
        failure = error
        insist(lambda: purchases.close_failed(services, actor, run, asked, TERMS, failure))
        if isinstance(error, Retryable):
            raise
        return
    # It is paid for: a storage or a database that restarts at this moment does not lose it. Where storage stays away,
    # it lies here until there is one.
    insist(lambda: keep.keep(services, run.id, answer, key, "image/jpeg"))
    services.points.reach("picture.stored", run=run.id, purchase=asked.id)
    insist(lambda: _commit(services, actor, run, asked, key, cost))
    answer.unlink(missing_ok=True)
    services.points.reach("picture.committed", run=run.id, purchase=asked.id)


def _intended(services: Services, actor: Actor, run: Run, bought: Purchase) -> Purchase | None:
    """The intent is in the row and its money committed; None where it is not to be asked for."""
    try:
        prompt_check.must_be_allowed(services, [bought.picture.prompt if bought.picture else None])
    except InvalidOrder as error:
        with services.store.write() as tx:
            purchases.end(tx, actor, run, bought, TERMS, error.operator, error.problems[0].message)
        return None
    scratch.must_have_room(services, ROOM_BYTES)
    intent_at = services.clock.now()
    asked = replace(bought, status=_G.SUBMITTING, tries=bought.tries + 1, intent_at=intent_at)
    with services.store.write() as tx:
        purchases.must_have_lease(tx, actor, bought.id)
        try:
            stop_switch.must_be_off(tx, run.base_id, run.account_id)
        except Busy as error:
            if run.status is not RunStatus.STITCHING:
                raise
            # A film whose clips are paid for does not wait for its poster.
            purchases.end(tx, actor, run, bought, TERMS, error.operator, STOPPED)
            return None
        return asked if purchases.begin(tx, actor, run, bought, asked, TERMS) else None


def _key(run: Run, asked: Purchase) -> str:
    """Where the answer to one question is stored: who takes over after a death looks there before asking again."""
    moment = round((asked.intent_at or 0.0) * 1000)
    return f"{_stem(run, asked)}{moment}.jpg"


def _stem(run: Run, picture: Purchase) -> str:
    """How the keys of all answers to one question begin; the newest has the greatest."""
    return f"{storage_folder('pictures', run.account_id)}/{picture.fingerprint[:2]}/{picture.fingerprint[:32]}-"


def _commit(services: Services, actor: Actor, run: Run, asked: Purchase, key: str, cost: int) -> None:
    with services.store.write() as tx:
        _close_fetched(services, tx, replace(actor, now=services.clock.now()), run, asked, key, cost)


def _close_fetched(services: Services, tx: Tx, actor: Actor, run: Run, asked: Purchase, key: str, cost: int) -> None:
    if purchases.close(tx, actor, run, asked, TERMS, _G.FETCHED, cost, file=key, error=None):
        credit_book.capture(tx, actor.now, run, _charge(services, tx, run, asked, cost))


def _charge(services: Services, tx: Tx, run: Run, asked: Purchase, cost: int) -> int:
    """What its account is charged: at most what was agreed for this picture, whatever the price list says by now."""
    current = tx.runs.get(run.id) or run
    plan = current.plan
    if plan is None or plan.picture_micro == 0:
        return 0
    agreed = plan.picture_charge_micro * asked.reserve_micro * TRIES // plan.picture_micro
    return min(services.prices.pictures(cost), agreed)


def _tell(tx: Tx, run: Run, _: Purchase, said: str) -> None:
    warn(tx, run, (WITHOUT.format(said),))


TERMS = purchases.Terms(
    memo="picture",
    tries=lambda _: TRIES,
    tell=_tell,
    no_money="What was set aside for this video does not reach for it.",
    lost="The picture service did not answer, and may have charged for it.",
)


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had: the film is made without it."""
    with services.store.write() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
        if run is None:
            return
        purchases.abandon(tx, actor, run, purchase_id, TERMS, error.operator, error.marketer)
        _wake(tx, run, services.clock.now())


def _wake(tx: Tx, run: Run, now: float) -> None:
    """A run that is over is not worked on again for a picture."""
    current = tx.runs.get(run.id)
    if current is not None and current.status in HOLDING:
        wake_run(tx, run.id, now)
