"""Everything about runs as JSON: one source for the API, the pages and the command line. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pipelines.domain.keys import digest
from pipelines.domain.lifecycle import CANCELLABLE, RETRYABLE_RUNS, STOPPED, TERMINAL, CutStatus, RunStatus
from pipelines.domain.money import Account, CreditAccount, dollars, subject
from pipelines.domain.planning.cast import CastMember, sheets_of
from pipelines.domain.planning.hooks import first_film
from pipelines.domain.planning.plan import Plan
from pipelines.domain.progress import timings
from pipelines.domain.records import Event, Generation, Run
from pipelines.domain.times import iso
from pipelines.ports import Rows, Tx
from pipelines.stages.base_rows import time_left
from pipelines.stages.base_rows.airtable_calls import ENTITY as AIRTABLE
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import BY_LINK, BY_TOKEN, ROW, found_run
from pipelines.stages.views import sections as parts
from pipelines.stages.views import sentences
from pipelines.stages.views.documents import (
    EventView,
    PlannedSceneView,
    PlanView,
    PostText,
    QuoteLine,
    RunSummary,
    RunView,
    SceneItem,
    StreamedRun,
)
from pipelines.stages.views.sections import Picture

THE_OPERATOR = "the operator"
"""Who acted, as an account is told of whoever is not its own."""
MOST_CALLS = 1000
"""Calls to Airtable are counted among the events of the run they were made for, and shown as a number."""


def run_view(services: Services, run_id: str) -> RunView:
    """The full JSON of a run. Raises NotFound."""
    with services.store.read() as tx:
        picture = _picture(tx, found_run(tx, run_id))
        shared = _shared_calls(tx, picture.run, services.clock.now())
        left = time_left.seconds_left(services, tx, picture.run)
        key_id = _shown_key(tx, picture.run.key_id)
    scenes = [parts.scene_view(services, picture, scene) for scene in picture.scenes]
    events = [parts.event_view(picture, event) for event in picture.events if event.entity != AIRTABLE]
    cuts = [parts.cut_view(services, picture, cut) for cut in picture.cuts if cut.status is not CutStatus.PLANNED]
    run = picture.run
    return RunView(
        **summary(services, picture),
        version=_mark(run, picture.events[-1:], sorted(picture.generations, key=lambda gen: -gen.updated_at)[:1]),
        detail=run.detail,
        verdict=run.verdict,
        pack_url=services.links.pack(picture.pack.token) if picture.pack and picture.pack.entries else None,
        post_texts=_post_texts(run),
        approval=run.approval,
        cast=parts.cast_view(services, picture),
        key=key_id,
        started_at=iso(run.started_at),
        seconds_left=left,
        held_usd=dollars(picture.held_micro),
        plan=plan_view(run.plan, sold=picture.sold) if run.plan else None,
        actions=actions(run),
        choices=parts.choices(picture) if services.store.account_id is None else [],
        scenes=scenes,
        cuts=cuts,
        costs=parts.costs(picture),
        airtable_calls=sum(event.entity == AIRTABLE for event in picture.events),
        airtable_calls_shared=shared,
        events=events,
    )


def _post_texts(run: Run) -> list[PostText]:
    """What is posted with its films, in each language in which it is written by now."""
    if run.plan is None:
        return []
    own, *others = run.plan.languages
    written = [own, *(one for one in others if run.plan.post_text in run.plan.card_texts.get(one, {"": ""}))]
    found = [(language, run.posted_in(language)) for language in written]
    return [PostText(language=language or None, text=text) for language, text in found if text]


def _shown_key(tx: Tx, key_id: str | None) -> str | None:
    """An account learns of keys of its own: a row of its base may have been started by one of the operator's."""
    if tx.account_id is None or key_id is None:
        return key_id
    key = tx.keys.get(key_id)
    return key.id if key else None


def _with_own_actors(tx: Tx, events: Sequence[Event]) -> list[Event]:
    """To an account whoever acted is one of its own keys, its row, or the operator: by whatever key or process."""
    if tx.account_id is None:
        return list(events)
    own = {ROW, BY_LINK, BY_TOKEN, *(key.name for key in tx.keys.find(name=tuple({event.actor for event in events})))}
    return [event if event.actor in own else replace(event, actor=THE_OPERATOR) for event in events]


def _without_cost(events: Sequence[Event]) -> list[Event]:
    """For whoever pays in credits: the same history, without what providers charged."""
    nothing = {"cost_micro": None, "price_micro": None, "saved_micro": None}
    told = [event for event in events if event.name != "paid_in_vain"]
    return [replace(event, detail=replace(event.detail, **nothing)) for event in told]


def _shared_calls(tx: Tx, run: Run, now: float) -> int:
    """Calls that were made for the whole base while the run went on: looks at its boxes and its Settings."""
    if run.base_id is None:
        return 0
    calls = tx.events.find(
        limit=MOST_CALLS,
        after={"at": run.created_at},
        before={"at": run.finished_at or now},
        entity=AIRTABLE,
        entity_id=run.base_id,
        run_id=None,
    )
    return len(calls)


@dataclass(frozen=True, slots=True)
class RunMark:
    """How far a run is, to see whether something changed."""

    version: str
    """Changes whenever `run_view` would."""
    stopped: bool
    """Whether nothing happens to it by itself any more."""


def mark(services: Services, run_id: str) -> RunMark:
    """Cheaper than the view. Raises NotFound."""
    with services.store.read() as tx:
        return _marked(tx, found_run(tx, run_id))


def marks(services: Services, run_ids: Collection[str]) -> dict[str, RunMark]:
    """Those of several runs at one moment; what is not there is left out."""
    with services.store.read() as tx:
        return {run.id: _marked(tx, run) for run in tx.runs.find(id=tuple(run_ids))}


def _marked(tx: Tx, run: Run) -> RunMark:
    last = _newest(tx.events, run) or _newest(tx.event_archive, run)
    gens = tx.generations.find(run_id=run.id, order="-updated_at", limit=1)
    return RunMark(_mark(run, last, gens), run.status in STOPPED)


def _newest(events: Rows[Event], run: Run) -> list[Event]:
    return events.find(run_id=run.id, order="-id", limit=1)


def _mark(run: Run, last: Sequence[Event], gens: Sequence[Generation]) -> str:
    return digest(run.version, run.updated_at, run.status, [e.id for e in last], [g.updated_at for g in gens])[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanges:
    """What happened to a run after something."""

    run: StreamedRun
    version: str
    terminal: bool
    last: int
    """The id up to which the events are told."""
    events: list[tuple[int, EventView]]


def changes_after(services: Services, run_id: str, after: int) -> RunChanges:
    """The events of a run beyond an id, as in its view. In the archive they have other ids: from there they are told
    only to who has none yet. Raises NotFound.
    """
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        (picture,) = short_pictures(tx, [run])
        rows = tx.events.find(after={"id": after}, run_id=run_id, order="id")
        old = [] if after else tx.event_archive.find(run_id=run_id, order="id")
        found = _with_own_actors(tx, [*old, *rows])
        found = _without_cost(found) if picture.sold else found
        version = _marked(tx, run).version
    return RunChanges(
        run=StreamedRun(**summary(services, picture), version=version),
        version=version,
        terminal=run.status in TERMINAL,
        last=found[-1].id or after if found else after,
        events=[(event.id or 0, parts.event_view(picture, event)) for event in found if event.entity != AIRTABLE],
    )


def scenes_view(services: Services, run_id: str, *, limit: int, after: int) -> tuple[list[SceneItem], int | None]:
    """The scenes of a run beyond number `after`, in the film's order, each with its clips and the one that it shows;
    and the number to go on after, None on the last page. Raises NotFound.
    """
    with services.store.read() as tx:
        picture = _picture(tx, found_run(tx, run_id))
    rest = [scene for scene in picture.scenes if scene.number > after]
    views = [parts.scene_view(services, picture, scene) for scene in rest[:limit]]
    shown = [SceneItem(**view, clip=next((clip for clip in view["clips"] if clip["current"]), None)) for view in views]
    return shown, rest[limit - 1].number if len(rest) > limit else None


def runs_of_row(services: Services, base_id: str, record_id: str, limit: int) -> list[RunSummary]:
    """Summaries of a row's newest runs, the newest first; empty for a row that never had one."""
    with services.store.read() as tx:
        pictures = short_pictures(tx, tx.runs.find(base_id=base_id, record_id=record_id, order="-number", limit=limit))
    return [summary(services, picture) for picture in pictures]


def plan_view(plan: Plan, *, sold: bool = False) -> PlanView:
    """A plan as people and programs read it; for whoever pays in credits, with what is charged."""
    scenes = [
        PlannedSceneView(
            number=scene.number,
            hook=scene.hook or None,
            prompt=scene.prompt,
            seconds=scene.seconds,
            model=scene.model,
            width=scene.settings.width,
            height=scene.settings.height,
            price_usd=dollars(scene.charge_micro if sold else scene.price_micro),
        )
        for scene in plan.scenes
    ]
    return PlanView(
        model=plan.model,
        width=plan.width,
        height=plan.height,
        fps=plan.fps,
        formats=list(plan.formats),
        hooks=len(plan.hooks),
        languages=[language for language in plan.languages if language],
        seconds=round(sum(scene.seconds for scene in first_film(plan.scenes)), 3),
        scenes=scenes,
        adapted=list(plan.adapted),
        lines=[QuoteLine(label=label, usd=dollars(amount)) for label, amount in (plan.charges if sold else plan.lines)],
    )


def actions(run: Run) -> list[str]:
    """What a person may do with the run now."""
    may = {
        "approve": run.status is RunStatus.NEEDS_APPROVAL,
        "cancel": run.status in CANCELLABLE,
        "retry": run.status in RETRYABLE_RUNS,
        "regenerate": run.status in STOPPED,
    }
    return [name for name, allowed in may.items() if allowed]


def _picture(tx: Tx, run: Run) -> Picture:
    scenes = tx.scenes.find(order="number", run_id=run.id)
    clips = tx.clips.find(order="created_at", run_id=run.id)
    spent = [
        *tx.ledger_archive.find(order="id", account=Account.SPENT.value, run_id=run.id),
        *tx.ledger.find(order="id", account=Account.SPENT.value, run_id=run.id),
    ]
    told = [*tx.event_archive.find(order="id", run_id=run.id), *tx.events.find(order="id", run_id=run.id)]
    balance = tx.balance_of(subject("run", run.id))
    # A scene that did not change shows the clip that an earlier run paid for.
    reused = {scene.clip_id for scene in scenes if scene.clip_id} - {clip.id for clip in clips}
    picture = Picture(
        run=run,
        scenes=scenes,
        generations=tx.generations.find(order="created_at", run_id=run.id),
        clips=[*clips, *(tx.clips.find(id=tuple(reused)) if reused else ())],
        cuts=tx.cuts.find(order="created_at", run_id=run.id),
        cast=_cast(tx, run),
        pack=next(iter(tx.packs.find(take=run.take, run_id=run.id)), None),
        events=_with_own_actors(tx, told),
        spent=spent,
        spent_micro=balance.spent,
        held_micro=balance.exposure,
    )
    return _as_sold(tx, picture) if _is_sold(tx, run) else picture


def _cast(tx: Tx, run: Run) -> list[tuple[CastMember, str | None]]:
    plan = run.plan
    members = sheets_of(plan.cast, plan.picture_model, run.account_id) if plan else {}
    bought = tx.purchases.find(fingerprint=list(members)) if members else []
    files = {one.fingerprint: one.file for one in bought if one.file and tx.files.get(one.file)}
    return [(member, files.get(mark)) for mark, member in members.items()]


def _is_sold(tx: Tx, run: Run) -> bool:
    """Whether an account looks at what it pays for in credits: the operator sees what providers charge."""
    return tx.account_id is not None and run.price_micro is not None


def _as_sold(tx: Tx, picture: Picture) -> Picture:
    parts = tx.reservations.find(run_id=picture.run.id)
    return replace(
        picture,
        sold=True,
        events=_without_cost(picture.events),
        charges=tx.credits.find(run_id=picture.run.id, account=CreditAccount.USED, order="id"),
        spent_micro=sum(part.used_micro for part in parts),
        held_micro=sum(part.reserved_micro for part in parts),
    )


def short_pictures(tx: Tx, runs: Sequence[Run]) -> list[Picture]:
    """Only what summaries need, for all of a page at once."""
    moving = [run.id for run in runs if run.status not in STOPPED]
    scenes = _by_run(tx.scenes.find(order="number", run_id=[run.id for run in runs]))
    generations = _by_run(tx.generations.find(order="created_at", run_id=moving) if moving else ())
    shown = {clip_id for mine in scenes.values() if (clip_id := parts.first_clip(mine))}
    clips = {clip.id: clip for clip in tx.clips.find(id=sorted(shown))} if shown else {}
    balances = {row.id: row.spent for row in tx.balances.find(id=[subject("run", run.id) for run in runs])}
    reserved = _by_run(tx.reservations.find(run_id=[run.id for run in runs if _is_sold(tx, run)]))
    balances |= {subject("run", run): sum(part.used_micro for part in own) for run, own in reserved.items()}
    return [
        Picture(
            run=run,
            scenes=scenes.get(run.id, ()),
            generations=generations.get(run.id, ()),
            spent_micro=balances.get(subject("run", run.id), 0) if run.id in reserved or not _is_sold(tx, run) else 0,
            sold=_is_sold(tx, run),
            clips=[clip for clip in [clips.get(parts.first_clip(scenes.get(run.id, ())) or "")] if clip],
        )
        for run in runs
    ]


class _OfRun(Protocol):
    @property
    def run_id(self) -> str: ...


R = TypeVar("R", bound=_OfRun)


def _by_run(rows: Iterable[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = {}
    for row in rows:
        found.setdefault(row.run_id, []).append(row)
    return found


def summary(services: Services, picture: Picture) -> RunSummary:
    """A run in short, as lists have it."""
    run = picture.run
    done = [parts.scene_share(services, picture, scene) for scene in picture.scenes]
    return RunSummary(
        run_id=run.id,
        status=run.status.value,
        sentence=sentences.now_sentence(run),
        title=parts.title(run),
        source=run.source,
        record_id=run.record_id,
        base_id=run.base_id,
        number=run.number,
        model=run.model or None,
        aspect_ratio=run.shape or None,
        progress=timings.of_run(run, done),
        quote_usd=None if picture.quote_micro is None else dollars(picture.quote_micro),
        cost_usd=dollars(picture.spent_micro),
        error=run.error,
        created_at=iso(run.created_at),
        updated_at=iso(run.updated_at),
        finished_at=iso(run.finished_at),
        status_url=f"{services.policy.public_url}/api/runs/{run.id}",
        page_url=services.links.page(run_id=run.id),
        batch_id=run.batch_id,
        thumb_url=parts.thumbnail_of(services, picture),
        custom_id=run.custom_id,
        metadata=dict(run.metadata or {}),
    )
