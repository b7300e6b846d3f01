"""A film shown by a link that can be withdrawn. Whoever holds it watches, comments and decides; nothing of it spends.

What is said goes back into the row by the outbox, unless the row has a newer run: it speaks of that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.domain.airtable.fields import REVIEW_OPTIONS, VideoField
from pipelines.domain.airtable.values import Cells, shorten
from pipelines.domain.errors import Busy, InvalidOrder, NotAllowed, NotFound, Problem, TooMany
from pipelines.domain.keys import digest, new_id, new_token
from pipelines.domain.lifecycle import CutStatus, ReviewVerdict
from pipelines.domain.records import Clip, Comment, Cut, Run, Scene, Share
from pipelines.ports import Tx
from pipelines.stages.base_rows import outbox
from pipelines.stages.files import revocations
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, found_run, record
from pipelines.stages.spending import rate_limits

DAY_S = 86_400.0
DAYS, MOST_DAYS = 14, 365
COMMENTS = 200
"""As many may be made by one link."""
MOST_LIVE, MOST_EVER = 100, 1_000
"""So many links of a run may work at a time, and so many may have been made of it."""
WORDS, NAME = 2_000, 80
AT_ONCE, EVERY_S = 20, 5.0
"""So many comments and verdicts by one link after a rest, then one every five seconds."""
TOLD = 100
"""The newest comments, which the row holds."""
SOON_S = 30.0
"""Comments that come together are told to the row together."""
REVIEWER = "a reviewer"
TOO_MANY = f"{MOST_LIVE} links of this film work already. Withdraw one that nobody needs any more, then share it."
USED_UP = (
    f"{MOST_EVER:,} links of this film were made, and no more are. Pass on one that still works, or make the film "
    "again: a new run has links of its own."
)
GONE = "This link has ended. Ask whoever sent it to you for a new one."


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareContents:
    """What a link shows: the run's newest films, its scenes with their clips, and what was said so far."""

    share: Share
    run: Run
    films: Sequence[Cut]
    scenes: Sequence[tuple[Scene, Clip | None]]
    comments: Sequence[Comment]


def create(services: Services, run_id: str, actor: str, *, days: int = DAYS, shows_prompts: bool = False) -> Share:
    """A link to the films of a run. Raises NotFound, and NotAllowed while there is no film or there are too many."""
    now = services.clock.now()
    if not 1 <= days <= MOST_DAYS:
        raise InvalidOrder([Problem("days", f"must be 1 to {MOST_DAYS}.")])
    with services.store.write() as tx:
        run = found_run(tx, run_id, lock=True)
        if not films_of(tx, run):
            raise NotAllowed(marketer="There is no film to share yet. Wait until it is ready, then share it.")
        if tx.shares.count(run_id=run.id) >= MOST_EVER:
            raise NotAllowed(marketer=USED_UP)
        if tx.shares.count(run_id=run.id, revoked_at=None, after={"expires_at": now}) >= MOST_LIVE:
            raise NotAllowed(marketer=TOO_MANY)
        share = Share(
            id=new_id("share"),
            run_id=run.id,
            token=new_token(),
            shows_prompts=shows_prompts,
            created_at=now,
            expires_at=now + days * DAY_S,
            made_by=actor,
        )
        tx.shares.add(share)
        record(tx, Actor(actor, now), "share", share.id, run.id, "shared")
        _tell_row(services, tx, run, outbox.SOON_S)
        return share


def revoke(services: Services, share_id: str, actor: str) -> Share:
    """The link opens nothing from now on; what was said stays. Twice is once. Raises NotFound."""
    now = services.clock.now()
    with services.store.write() as tx:
        share = tx.shares.get(share_id, lock=True)
        if share is None:
            raise NotFound(f"share {share_id}", marketer="There is no such link.")
        if share.revoked_at is not None:
            return share
        tx.shares.change(share.id, revoked_at=now)
        record(tx, Actor(actor, now), "share", share.id, share.run_id, "unshared")
        _tell_row(services, tx, found_run(tx, share.run_id), outbox.SOON_S)
    revocations.note(services, Revoked.SHARE, share.id, revoked_at=now)
    return replace(share, revoked_at=now)


def opened(services: Services, token: str) -> ShareContents | None:
    """What the link shows; None when it has ended. Raises NotFound for one that never was."""
    with services.store.read() as tx:
        share = _live(tx, token, services.clock.now())
        if share is None:
            return None
        run = found_run(tx, share.run_id)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        clips = {clip.id: clip for clip in tx.clips.find(id=[scene.clip_id for scene in scenes if scene.clip_id])}
        return ShareContents(
            share=share,
            run=run,
            films=films_of(tx, run),
            scenes=[(scene, clips.get(scene.clip_id or "")) for scene in scenes],
            comments=tx.comments.find(share_id=share.id, order="at"),
        )


def films_of(tx: Tx, run: Run) -> list[Cut]:
    """The newest films of a run that can be played, in the order of its formats."""
    made = (CutStatus.MADE, CutStatus.DELIVERING, CutStatus.DELIVERED)
    cuts = tx.cuts.find(run_id=run.id, animatic=False, status=made, deleted_at=None, revoked_at=None)
    newest = max((cut.take for cut in cuts if cut.key), default=0)
    shown = [cut for cut in cuts if cut.key and cut.take == newest]
    plan = run.plan
    return sorted(shown, key=lambda cut: plan.place_of(cut.hook, cut.format, cut.language)) if plan else shown


def comment(
    services: Services, token: str, *, name: str, words: str, second: float | None, press: str
) -> Comment | None:
    """Keep what somebody says, once for each `press` of the button, every time where none is named; None when the link
    has ended. Raises NotFound, InvalidOrder, NotAllowed when there are enough, and TooMany.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        share = _live(tx, token, now)
        if share is None:
            return None
        run = found_run(tx, share.run_id, lock=True)
        said = Comment(
            id=f"comment_{digest(share.id, press)[:20]}" if press else new_id("comment"),
            share_id=share.id,
            run_id=run.id,
            at=now,
            second=second,
            name=_text("name", name, NAME),
            words=_text("words", words, WORDS, needed="Write what you want to say."),
        )
        if tx.comments.get(said.id) is not None:
            return said
        if tx.comments.count(share_id=share.id) >= COMMENTS:
            raise NotAllowed(marketer=f"This film has {COMMENTS} comments, and takes no more by this link.")
        _take_turn(tx, share, now)
        tx.comments.add(said)
        _tell_row(services, tx, run, SOON_S)
        return said


def decide(services: Services, token: str, verdict: ReviewVerdict, *, name: str, words: str) -> Share | None:
    """The film is accepted, or changes are asked for; the last word counts. None when the link has ended. Raises
    NotFound, InvalidOrder and TooMany.
    """
    now = services.clock.now()
    said = {"verdict": verdict, "verdict_by": _text("name", name, NAME), "verdict_words": _text("words", words, WORDS)}
    with services.store.write() as tx:
        share = _live(tx, token, now)
        if share is None:
            return None
        run = found_run(tx, share.run_id, lock=True)
        if all(getattr(share, column) == value for column, value in said.items()):
            return share
        _take_turn(tx, share, now)
        tx.shares.change(share.id, **said, verdict_at=now)
        record(tx, Actor(REVIEWER, now), "share", share.id, run.id, "verdict", share.verdict, verdict)
        _tell_row(services, tx, run, 0.0)
        return tx.shares.get(share.id)


def _live(tx: Tx, token: str, now: float) -> Share | None:
    found = tx.shares.find(token=token, limit=1)
    if not found:
        raise NotFound("share", marketer="There is no such link.")
    return found[0] if is_live(found[0], now) else None


def is_live(share: Share, now: float) -> bool:
    """Whether the link still opens the film."""
    return share.revoked_at is None and now < share.expires_at


def _text(field: str, text: str, most: int, *, needed: str = "") -> str:
    trimmed = text.strip()
    if "\x00" in trimmed or len(trimmed) > most:
        raise InvalidOrder([Problem(field, f"may have at most {most:,} characters.")])
    if needed and not trimmed:
        raise InvalidOrder([Problem(field, needed)])
    return trimmed


def _take_turn(tx: Tx, share: Share, now: float) -> None:
    try:
        rate_limits.acquire(tx, f"share:{share.id}", now, EVERY_S, AT_ONCE)
    except Busy as busy:
        raise TooMany(busy.operator, retry_after=busy.retry_after, limit="share") from busy


def _tell_row(services: Services, tx: Tx, run: Run, within_s: float) -> None:
    """The row says what its newest run is told."""
    if run.base_id is None or run.record_id is None:
        return
    newest = tx.runs.find(base_id=run.base_id, record_id=run.record_id, order="-number", limit=1)
    if newest and newest[0].id != run.id:
        return
    now = services.clock.now()
    shares = tx.shares.find(run_id=run.id, order="created_at")
    live = [share for share in shares if is_live(share, now)]
    decided = sorted((share for share in shares if share.verdict_at is not None), key=lambda one: one.verdict_at or 0.0)
    verdict = decided[-1].verdict if decided else ReviewVerdict.WAITING if live else None
    comments = tx.comments.find(run_id=run.id, order="-at", limit=TOLD)
    fields: Cells = {
        VideoField.REVIEW: None if verdict is None else REVIEW_OPTIONS[verdict],
        VideoField.REVIEW_NOTES: shorten("\n".join([*map(_verdict_line, decided[-1:]), *map(_line, comments)])),
        VideoField.SHARE_PAGE: page_url(services, live[-1]) if live else None,
    }
    outbox.say(tx, now, run.base_id, run.record_id, fields, run_id=run.id, within_s=within_s)


def page_url(services: Services, share: Share) -> str:
    """The link that is passed on."""
    return f"{services.policy.public_url}/s/{share.token}"


def _line(said: Comment) -> str:
    place = "" if said.second is None else f"{clock(said.second)} "
    return f"{place}{said.name or 'Somebody'}: {said.words}"


def _verdict_line(share: Share) -> str:
    return f"{REVIEW_OPTIONS[share.verdict]} by {share.verdict_by or 'somebody'}. {share.verdict_words}".strip()


def clock(second: float) -> str:
    """`0:07`, as players write it."""
    whole = int(second)
    return f"{whole // 60}:{whole % 60:02d}"
