"""The row of a run in `Videos`: its status, progress and cost, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.airtable.values import Cell, Cells, video_fields
from pipelines.domain.lifecycle import STOPPED, RunStatus
from pipelines.domain.money import dollars
from pipelines.domain.progress import timings
from pipelines.domain.progress.run_progress import progress_of
from pipelines.domain.records import Run
from pipelines.ports import Tx
from pipelines.stages.base_rows import action_links, next_action, outbox, settings_row, time_left
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import credit_book, ledger

STAGE_S = 4.0
"""A new stage is in the row within five seconds, together with the next one if that is short."""


def show(
    services: Services,
    tx: Tx,
    run: Run,
    *,
    urgent: bool = False,
    within_s: float = 0.0,
    extra: Mapping[str, Cell] | None = None,
) -> None:
    """Say in the record's row how its run is. What is `urgent` may wait `within_s` for more to be said in one call, a
    new stage waits no longer than `STAGE_S`, and mere progress until it is its time (domain.progress.pacing).
    """
    if run.record_id is None or run.base_id is None:
        return
    fields = {**cells(services, tx, run), **(extra or {})}
    known = outbox.entry_of(tx, run.base_id, AirtableTable.VIDEOS, run.record_id)
    is_new = known is None or known.run_id != run.id or known.fields.get(VideoField.STATUS) != fields[VideoField.STATUS]
    if run.status in STOPPED:
        _hurry_scenes(tx, run, services.clock.now())
        urgent = True
    elif is_new and not urgent:
        urgent, within_s = True, STAGE_S
    outbox.put(
        tx,
        services.clock.now(),
        base_id=run.base_id,
        table=AirtableTable.VIDEOS,
        run_id=run.id,
        record_id=run.record_id,
        fields=fields,
        urgent=urgent,
        within_s=within_s,
    )
    if run.status in STOPPED:
        settings_row.show(tx, services.clock.now(), run.base_id, at_once=True)


def show_late_cost(tx: Tx, now: float, run: Run) -> None:
    """Money that moved after a run had stopped: its row says so, unless it speaks of a later run, and its base."""
    if run.record_id is None or run.base_id is None:
        return
    known = outbox.entry_of(tx, run.base_id, AirtableTable.VIDEOS, run.record_id)
    if known is not None and known.run_id == run.id:
        cost = {VideoField.ACTUAL_COST.value: dollars(ledger.cost_shown(tx, run))}
        outbox.say(tx, now, run.base_id, run.record_id, cost, run_id=run.id, within_s=outbox.SOON_S)
    settings_row.show(tx, now, run.base_id, at_once=True)


def show_again(services: Services, run_id: str, *, detail: str | None = None) -> None:
    """A person wrote over our `Status`, and the run goes on all the same: say it once more, or why nothing is done."""
    with services.store.write() as tx:
        run = tx.runs.get(run_id, lock=True)
        if run is None or run.base_id is None or run.record_id is None:
            return
        known = outbox.entry_of(tx, run.base_id, AirtableTable.VIDEOS, run.record_id, lock=True)
        if known is not None:
            sent = {name: value for name, value in known.sent.items() if name != VideoField.STATUS}
            tx.outbox.change(known.id, sent=sent, version=known.version + 1)
        extra = {VideoField.STATUS_DETAIL.value: detail} if detail else {}
        show(services, tx, run, urgent=True, extra=extra)


def cells(services: Services, tx: Tx, run: Run) -> Cells:
    """What the row of a run should say now, its progress and the time that is left included."""
    now = services.clock.now()
    action = next_action.next_action(tx, run)
    advice = action.value if action else None
    words = [run.detail, time_left.sentence(services, tx, run), *_notes(services, run), advice]
    return video_fields(
        replace(run, quote_micro=credit_book.quoted(run)),
        now=now,
        progress=_progress(services, tx, run, now),
        cost_micro=ledger.cost_shown(tx, run),
        page_url=_page_of(services, tx, run.base_id or "", run.record_id or ""),
        decide=action_links.cell(tx, run),
        detail=" ".join(word for word in words if word).strip() or None,
    )


def _progress(services: Services, tx: Tx, run: Run, now: float) -> float:
    scenes = tx.scenes.find(run_id=run.id, order="number")
    if run.status is not RunStatus.GENERATING:
        return progress_of(run.status, sum(scene.clip_id is not None for scene in scenes), len(scenes))
    newest = {gen.scene_id: gen for gen in tx.generations.find(run_id=run.id, order="attempt")}
    models = services.catalogue
    done = []
    for scene in scenes:
        gen = newest.get(scene.id)
        done.append(timings.of_scene(scene, gen, models.get(gen.model) if gen else None, now))
    return timings.of_run(run, done)


def _notes(services: Services, run: Run) -> list[str]:
    """What the marketer should know of the plan: what was adapted, what will change soon, and what is only a draft."""
    if run.plan is None:
        return []
    notes = [*run.plan.adapted, *run.plan.warnings]
    if services.policy.animatic_by_default and (run.order is None or run.order.model is None):
        notes.append("This is a free animatic: name a Model in the row, or ask your operator to set VIDEO_MODEL.")
    return notes


def _hurry_scenes(tx: Tx, run: Run, now: float) -> None:
    """Nothing will come any more that their parked words could wait for."""
    for row in tx.outbox.find(run_id=run.id, table=AirtableTable.SCENES, after={"next_at": now + outbox.SOON_S}):
        tx.outbox.change(row.id, next_at=now + outbox.SOON_S)


def signed_page(services: Services, tx: Tx, base_id: str, record_id: str) -> str:
    """The signed link to the row's page, good until its base leaves an account."""
    base = tx.bases.get(base_id)
    return services.links.row_page(base_id, record_id, base.handed_over_at if base else 0.0)


def _page_of(services: Services, tx: Tx, base_id: str, record_id: str) -> str:
    """The link to the row's page. Bases other than the default one are named in it, for people who are signed in."""
    link = signed_page(services, tx, base_id, record_id)
    if base_id == services.policy.default_base:
        return link
    return f"{link}{'&' if '?' in link else '?'}base_id={base_id}"
