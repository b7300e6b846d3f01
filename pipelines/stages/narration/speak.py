"""Buying spoken lines: each voice of the film is called once and says its lines one after the other.

Each is committed before it is asked for, asked for once, and kept before anything else happens. A line whose answer got
lost counts as spent; there is one more try inside what was quoted. What was said already is taken: an answer that
could not be stored lies on this machine, and after a restore storage knows more than the database. A film whose
narrator fails is made without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import (
    Ambiguous,
    Busy,
    InvalidOrder,
    ReelgridError,
    Retryable,
    Unavailable,
    UnplayableMedia,
)
from pipelines.domain.keys import storage_folder
from pipelines.domain.languages import named
from pipelines.domain.lifecycle import MOVING, OPEN_PURCHASE, GenerationStatus
from pipelines.domain.planning.narration import Said
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Speaker, Tx, log_context
from pipelines.stages.files import keep
from pipelines.stages.generations import prompt_check, restored
from pipelines.stages.generations.submit import insist
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, transition_purchase, wake_run, warn
from pipelines.stages.narration import lines
from pipelines.stages.spending import credit_book, purchases, stop_switch

_G = GenerationStatus
TURN_S = 10.0
"""So long lines wait that another step is speaking."""
PATIENCE_S = 20.0
"""A film does not wait longer than this before each further try, whatever the voice service asks for."""
FREE_TRIES = 6
ROOM_BYTES = 64 << 20
"""So much of the disk is free before a paid line is asked for: its answer, and its copy in a storage that is a disk."""
TROUBLES = 4
"""So often a voice that is away is asked again; then the films that it speaks are made without it."""
UNCHECKED = "nobody could check its words"


class _Unchecked(Unavailable):
    """Whoever checks prompts does not answer, so that the voice cannot be asked."""


def advance(services: Services, actor: Actor, purchase_id: str) -> None:
    """Say all lines of the run that has the purchase; another step may be at that."""
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
        open_ones = _open_ones(tx, bought.run_id) if bought else []
    if bought is None or run is None or bought.status not in OPEN_PURCHASE:
        services.store.release("purchases", purchase_id, actor.lease or "", next_at=None, attempts=0)
        return
    log_context.add(run_id=run.id)
    if bought.id != open_ones[0].id:
        raise Busy(f"{open_ones[0].id} speaks for all", retry_after=TURN_S)
    if run.status not in MOVING:
        _drop(services, actor, run, open_ones)
        return
    try:
        away = _say_all(services, actor, run, open_ones)
    except Busy:
        # A limit or a switch of ours, or a full disk: however long it takes, nothing that was said is given up.
        raise
    except Retryable as error:
        # Our storage: the film needs it all the same, and what is paid for waits.
        raise Busy(error.operator, marketer=error.marketer, retry_after=PATIENCE_S) from error
    stay_away = away if bought.attempts >= TROUBLES else {}
    with services.store.write() as tx:
        _end_voices(tx, actor, run, stay_away)
        wake_run(tx, run.id, services.clock.now())
    if away and not stay_away:
        why = next(iter(away.values()))
        why.retry_after = None if why.retry_after is None else min(why.retry_after, PATIENCE_S)
        raise why
    # Where its own answer got lost it is still open, and is asked for again at once.
    services.store.release("purchases", bought.id, actor.lease or "", next_at=services.clock.now(), attempts=0)


def _end_voices(tx: Tx, actor: Actor, run: Run, away: Mapping[str, Retryable]) -> None:
    """The films are made without the voices that stay away; what other voices say in them is not touched."""
    if not away:
        return
    for one in _open_ones(tx, run.id):
        error = away.get(one.request.voice)
        if error is not None:
            said = UNCHECKED if isinstance(error, _Unchecked) else f"the voice {one.request.voice} stayed away"
            purchases.end(tx, actor, run, one, WITHOUT_VOICE, error.operator, said)


def _open_ones(tx: Tx, run_id: str) -> list[Purchase]:
    """Its lines that are not there yet. The first of them stands for all: who has its lease speaks."""
    found = tx.purchases.find(run_id=run_id, kind="speech", status=tuple(OPEN_PURCHASE))
    return sorted(found, key=lambda one: (one.created_at, one.id))


def _drop(services: Services, actor: Actor, run: Run, open_ones: Sequence[Purchase]) -> None:
    """The run has stopped: nothing more is said for it."""
    for one in open_ones:
        planned = _settled(services, actor, run, one)
        if planned.status is _G.PLANNED:
            with services.store.write() as tx:
                transition_purchase(tx, actor, planned, _G.CANCELLED, next_at=None, **FREE)


def _settled(services: Services, actor: Actor, run: Run, bought: Purchase) -> Purchase:
    """A line that was asked for by a step that died: what that had stored is taken; else its answer is lost and counts
    as spent.
    """
    if bought.status is not _G.SUBMITTING:
        return bought
    if _was_answered(services, actor, run, bought):
        return replace(bought, status=_G.FETCHED)
    with services.store.write() as tx:
        purchases.lose(tx, actor, run, bought, TERMS)
        current = tx.purchases.get(bought.id) or bought
    services.points.reach("speech.lost", run=run.id, purchase=bought.id)
    return current


def _was_answered(services: Services, actor: Actor, run: Run, asked: Purchase) -> bool:
    """Whether the answer is there after all: in storage, or on this machine because it could not be stored."""
    key = _key(run, asked)
    answer = _answer(services, key)
    try:
        if services.media.stat(key) is not None:
            keep.use(services, run.id, [key])
            seconds = _length_of(services, scratch.local(services, key))
        elif answer.exists():
            seconds = _length_of(services, answer)
            keep.keep(services, run.id, answer, key, "audio/wav")
        else:
            return False
    except Ambiguous:
        return False
    insist(lambda: _commit(services, actor, run, asked, key, seconds, Said()))
    answer.unlink(missing_ok=True)
    return True


def _tell(tx: Tx, run: Run, bought: Purchase, said: str) -> None:
    """A line does not come: the film is made without it, and its row says so."""
    numbers = ", ".join(wanted.name for wanted in lines.wanted_by(tx, run, bought))
    if numbers:
        warn(tx, run, (f"Scene {numbers} has no narrator. {said}",))


TERMS = purchases.Terms(
    memo="voiceover",
    # A few where trying costs nothing.
    tries=lambda asked: lines.TRIES if asked.reserve_micro else FREE_TRIES,
    tell=_tell,
    no_money="What was set aside for this video does not reach for it.",
    lost="The voice service did not answer, and may have charged for it. Start again to have it spoken.",
)


def _tell_away(tx: Tx, run: Run, bought: Purchase, said: str) -> None:
    """Once for each language, however many of its lines are missing."""
    film = "The film"
    if run.known_plan.languages[1:]:
        film += f" in {named(bought.request.language)}"
    told = f"{film} has no narrator, or not in every scene: {said}."
    warn(tx, run, (f"{told} Start again later to have it spoken: only what is missing is bought.",))


WITHOUT_VOICE = replace(TERMS, tell=_tell_away)


def _say_all(services: Services, actor: Actor, run: Run, open_ones: Sequence[Purchase]) -> Mapping[str, Retryable]:
    """The voices that are away, and why; the others have said all. The line that stands for all comes last: as long as
    it is open, nobody else speaks.
    """
    settled = [_settled(services, actor, run, one) for one in (*open_ones[1:], open_ones[0])]
    still = [one for one in settled if one.status is _G.PLANNED]
    planned = [one for one in still if not _was_said_before(services, actor, run, one, open_ones[0].id)]
    away: dict[str, Retryable] = {}
    for voice in reversed(dict.fromkeys(one.request.voice for one in reversed(planned))):
        lines_of_voice = [one for one in planned if one.request.voice == voice]
        error = _say_in(services, actor, run, voice, lines_of_voice, open_ones[0].id)
        if error is not None:
            away[voice] = error
    return away


def _say_in(
    services: Services, actor: Actor, run: Run, voice: str, planned: Sequence[Purchase], leader: str
) -> Retryable | None:
    """All lines of one voice, which is called once for them; why it is away where it is."""
    if ended := services.speech.silent(voice, services.today):
        with services.store.write() as tx:
            for one in planned:
                purchases.end(tx, actor, run, one, TERMS, ended, ended)
        return None
    with services.speech.speaking(voice) as speaker:
        for one in planned:
            error = _say(services, actor, run, speaker, one, leader)
            if error is not None:
                return error
    return None


def _say(
    services: Services, actor: Actor, run: Run, speaker: Speaker, bought: Purchase, leader: str
) -> Retryable | None:
    """Intent, one call, the file into storage, commit. Why the voice is away where it cannot be asked."""
    try:
        prompt_check.must_be_allowed(services, [bought.request.text])
    except InvalidOrder as error:
        with services.store.write() as tx:
            purchases.end(tx, actor, run, bought, TERMS, error.operator, error.problems[0].message)
        return None
    except Unavailable as error:
        return _Unchecked(error.operator, retry_after=error.retry_after)
    if bought.reserve_micro:
        scratch.must_have_room(services, ROOM_BYTES)
    intent_at = services.clock.now()
    # Quoted on another day, it may cost more by now.
    reserve = max(bought.reserve_micro, services.speech.quote_micro(bought.request, services.today))
    asked = replace(bought, status=_G.SUBMITTING, tries=bought.tries + 1, intent_at=intent_at, reserve_micro=reserve)
    with services.store.write() as tx:
        purchases.must_have_lease(tx, actor, leader)
        if bought.reserve_micro:
            stop_switch.must_be_off(tx, run.base_id, run.account_id)
        if not purchases.begin(tx, actor, run, bought, asked, TERMS):
            return None
    services.points.reach("speech.intended", run=run.id, purchase=bought.id)
    key = _key(run, asked)
    answer = _answer(services, key)
    try:
        with scratch.draft(services, "sounds", f"{bought.id}.wav") as path:
            said = speaker.say(bought.request, path)
            path.replace(answer)
        services.points.reach("speech.said", run=run.id, purchase=bought.id)
        seconds = _length_of(services, answer)
    except ReelgridError as error:
        failure = error
        insist(lambda: purchases.close_failed(services, actor, run, asked, TERMS, failure))
        answer.unlink(missing_ok=True)
        if isinstance(error, Busy):
            raise
        return error if isinstance(error, Retryable) else None
    # It is paid for: a storage or a database that restarts at this moment does not lose it. Where there is no room for
    # it, or storage stays away, it lies here until there is.
    insist(lambda: keep.keep(services, run.id, answer, key, "audio/wav"))
    services.points.reach("speech.stored", run=run.id, purchase=bought.id)
    insist(lambda: _commit(services, actor, run, asked, key, seconds, said))
    answer.unlink(missing_ok=True)
    services.points.reach("speech.committed", run=run.id, purchase=bought.id)
    return None


def _was_said_before(services: Services, actor: Actor, run: Run, planned: Purchase, leader: str) -> bool:
    """After a restore: whether the line was bought after the backup. Its file is in storage; the money of then, which
    the books have forgotten, counts now.
    """
    with services.store.read() as tx:
        unknown = restored.unknown_of(tx, run, services.clock.now())
    stored = list(services.media.list_prefix(_stem(run, planned))) if unknown is not None else []
    if not stored:
        return False
    key = max(one.key for one in stored)
    try:
        seconds = _length_of(services, scratch.local(services, key))
    except Ambiguous:
        return False
    keep.use(services, run.id, [key])
    asked = replace(planned, status=_G.SUBMITTING, tries=planned.tries + 1, intent_at=services.clock.now())
    with services.store.write() as tx:
        purchases.must_have_lease(tx, actor, leader)
        if purchases.begin(tx, actor, run, planned, asked, TERMS):
            _close_fetched(services, tx, actor, run, asked, key, seconds, Said())
    return True


def _length_of(services: Services, path: Path) -> float:
    """Heard to its end. What is no sound is paid for all the same, like an answer that got lost."""
    try:
        return services.editor.sound_seconds(path)
    except UnplayableMedia as error:
        raise Ambiguous(f"the answer cannot be played: {error.operator}") from error


def _key(run: Run, asked: Purchase) -> str:
    """Where the answer to one question is stored: who takes over after a death looks there before asking again."""
    moment = round((asked.intent_at or 0.0) * 1000)
    return f"{_stem(run, asked)}{moment}.wav"


def _stem(run: Run, line: Purchase) -> str:
    """How the keys of all answers to one line begin; the newest has the greatest."""
    return f"{storage_folder('sounds', run.account_id)}/{line.fingerprint[:2]}/{line.fingerprint[:32]}-"


def _answer(services: Services, key: str) -> Path:
    """Where an answer lies on this machine until it is stored and counted."""
    return services.work / "sounds" / key.rpartition("/")[2]


def _commit(services: Services, actor: Actor, run: Run, asked: Purchase, key: str, seconds: float, said: Said) -> None:
    with services.store.write() as tx:
        _close_fetched(services, tx, replace(actor, now=services.clock.now()), run, asked, key, seconds, said)


def _close_fetched(
    services: Services, tx: Tx, actor: Actor, run: Run, asked: Purchase, key: str, seconds: float, said: Said
) -> None:
    done = {"file": key, "seconds": seconds, "words": said.words, "error": None}
    # The day may have changed since it was asked for, and its price: never more than was set aside.
    cost = min(asked.reserve_micro, services.speech.cost_micro(asked.request, seconds, said, services.today))
    if not purchases.close(tx, actor, run, asked, TERMS, _G.FETCHED, cost, **done):
        return
    bought = tx.purchases.get(asked.id) or asked
    found = lines.wanted_by(tx, run, bought)
    agreed = max((wanted.scene.settings.speech_charge_micro for wanted in found), default=0)
    credit_book.capture(tx, actor.now, run, min(services.prices.speech(cost), agreed))
    for wanted in found:
        lines.give(tx, actor.now, run, wanted, bought)


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """Nothing can be said at all: the film is made without its narrator."""
    with services.store.write() as tx:
        bought = tx.purchases.get(purchase_id)
        run = tx.runs.get(bought.run_id) if bought else None
        if run is None:
            return
        for one in _open_ones(tx, run.id):
            purchases.abandon(tx, actor, run, one.id, TERMS, error.operator, error.marketer)
        wake_run(tx, run.id, services.clock.now())
