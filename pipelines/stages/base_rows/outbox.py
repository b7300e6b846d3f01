"""What the rows of the base should say. Stages state it in their own transaction; `delivery.flush` sends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.domain.airtable.fields import (
    AirtableTable,
    FileLink,
    SceneField,
    SettingsField,
    VersionField,
    VideoField,
    delivery_fields,
    scene_fields,
    scene_state,
    settings_fields,
    version_fields,
    video_fields,
)
from pipelines.domain.keys import version_key
from pipelines.domain.lifecycle import MOVING, STOPPED, GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.money import dollars
from pipelines.domain.progress import timings
from pipelines.domain.progress.run_progress import progress_of
from pipelines.domain.records import Clip, Cut, OutboxEntry, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.base_rows import next_action, time_left
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import ledger, stop_switch

SOON_S, MOMENT_S = 2.5, 0.8
"""What a person waits for is said this soon: time for the step that follows to add what it knows to the same call."""
STAGE_S = 4.0
"""A new stage is in the row within five seconds, together with the next one if that is short."""
COALESCE_S = 8.0
TROUBLE_S = 15.0
"""What went wrong with a scene is in its row after this, together with what went wrong with others."""
PARKED_S = 7200.0
"""A scene's progress waits for the end of the film, where all scenes are written in one call."""
SETTINGS_PAUSE_S = 960.0

RUNNING = "Running."

KEY_FIELDS: Mapping[str, str] = {
    AirtableTable.SCENES: SceneField.SCENE_KEY.value,
    AirtableTable.VERSIONS: VersionField.VERSION_KEY.value,
}
"""The field that an upsert of rows of our own merges on."""

STORED = "store:"
"""An attachment is wanted by its storage key; the link is signed when it is sent."""


def show_run(
    services: Services,
    tx: Tx,
    run: Run,
    *,
    urgent: bool = False,
    within_s: float = 0.0,
    extra: dict[str, Any] | None = None,
) -> None:
    """Say in the record's row how its run is. What is `urgent` may wait `within_s` for more to be said in one call, a
    new stage waits no longer than `STAGE_S`, and mere progress until it is its time (domain.progress.pacing).
    """
    if run.record_id is None or run.base_id is None:
        return
    fields = run_cells(services, tx, run) | (extra or {})
    known = tx.outbox.get(_entry_id(tx, run.base_id, AirtableTable.VIDEOS, run.record_id, None))
    is_new = known is None or known.run_id != run.id or known.fields.get(_STATUS) != fields[_STATUS]
    if run.status in STOPPED:
        _hurry_scenes(tx, run, services.clock.now())
        urgent = True
    elif is_new and not urgent:
        urgent, within_s = True, STAGE_S
    put(
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
        show_settings(tx, services.clock.now(), run.base_id, at_once=True)


def show_late_cost(tx: Tx, now: float, run: Run) -> None:
    """Money that moved after a run had stopped: its row says so, unless it speaks of a later run, and its base."""
    if run.record_id is None or run.base_id is None:
        return
    known = tx.outbox.get(_entry_id(tx, run.base_id, AirtableTable.VIDEOS, run.record_id, None))
    if known is not None and known.run_id == run.id:
        cost = {VideoField.ACTUAL_COST.value: dollars(ledger.spent(tx, run_id=run.id))}
        where: dict[str, Any] = {"base_id": run.base_id, "table": AirtableTable.VIDEOS.value, "run_id": run.id}
        put(tx, now, fields=cost, record_id=run.record_id, urgent=True, within_s=SOON_S, **where)
    show_settings(tx, now, run.base_id, at_once=True)


def show_settings(tx: Tx, now: float, base_id: str, *, record_id: str | None = None, at_once: bool = False) -> None:
    """What the base has spent today, and whether it may spend more, in the row of `Settings` that was found when it was
    read last. Written seldom, but at once when a run has ended (`at_once`) or when what may be done has changed.
    """
    own: dict[str, Any] = {"record_id": record_id} if record_id else {}
    known = tx.outbox.find(base_id=base_id, table=AirtableTable.SETTINGS, gone=False, limit=1, **own)
    row = record_id or (known[0].record_id if known else None)
    if row is None:
        return
    spent = ledger.spent(tx, base_id=base_id, day=ledger.utc_day(now))
    status = _status_of_base(tx, now, base_id)
    fields = _plain(settings_fields(spent_today_micro=spent, status=status))
    news = (known[0].fields.get(SettingsField.STATUS) if known else RUNNING) != status
    told = bool(known) and known[0].fields == fields and known[0].next_at is None
    if not told:
        where: dict[str, Any] = {"base_id": base_id, "table": AirtableTable.SETTINGS.value, "record_id": row}
        put(tx, now, fields=fields, urgent=news or at_once, within_s=0.0 if news else SOON_S, **where)


def _status_of_base(tx: Tx, now: float, base_id: str) -> str:
    stopped = stop_switch.reason_if_on(tx, base_id)
    if stopped:
        return f"Spending is stopped: {stopped}."
    return ledger.used_up(tx, base_id, ledger.utc_day(now)) or RUNNING


_STATUS = VideoField.STATUS.value


def run_cells(services: Services, tx: Tx, run: Run) -> dict[str, Any]:
    """What the row of a run should say now, its progress and the time that is left included."""
    now = services.clock.now()
    words = [run.detail, time_left.sentence(services, tx, run), *notes_of(services, run), *_advice(tx, run)]
    fields = video_fields(
        run,
        now=now,
        progress=_progress(services, tx, run, now),
        cost_micro=ledger.spent(tx, run_id=run.id),
        page_url=_page_of(services, run.base_id or "", run.record_id or ""),
        detail=" ".join(word for word in words if word).strip() or None,
    )
    return _plain(fields)


def _progress(services: Services, tx: Tx, run: Run, now: float) -> float:
    scenes = tx.scenes.find(run_id=run.id)
    if run.status is not RunStatus.GENERATING:
        return progress_of(run.status, sum(scene.clip_id is not None for scene in scenes), len(scenes))
    newest = {gen.scene_id: gen for gen in tx.generations.find(run_id=run.id, order="attempt")}
    cards = services.catalogue
    done = []
    for scene in scenes:
        gen = newest.get(scene.id)
        done.append(timings.of_scene(scene, gen, cards.get(gen.model) if gen else None, now))
    return timings.of_run(run, done)


def _hurry_scenes(tx: Tx, run: Run, now: float) -> None:
    """Nothing will come any more that their parked words could wait for."""
    for row in tx.outbox.find(run_id=run.id, table=AirtableTable.SCENES, after={"next_at": now + SOON_S}):
        tx.outbox.change(row.id, next_at=now + SOON_S)


def _page_of(services: Services, base_id: str, record_id: str) -> str:
    """The link to the row's page. Bases other than the default one are named in it, for people who are signed in."""
    link = services.links.row_page(base_id, record_id)
    if base_id == services.policy.default_base:
        return link
    return f"{link}{'&' if '?' in link else '?'}base_id={base_id}"


def _advice(tx: Tx, run: Run) -> list[str]:
    way = next_action.next_action(tx, run)
    return [way.value] if way else []


def notes_of(services: Services, run: Run) -> list[str]:
    """What the marketer should know of the plan: what was adapted, what will change soon, and what is only a draft."""
    if run.plan is None:
        return []
    notes = [*run.plan.adapted, *run.plan.warnings]
    if services.policy.animatic_by_default and (run.order is None or run.order.model is None):
        notes.append("This is a free animatic: name a Model in the row, or ask your operator to set VIDEO_MODEL.")
    return notes


def show_films(
    services: Services, tx: Tx, run: Run, cuts: Sequence[Cut], *, have: Mapping[str, str] | None = None
) -> None:
    """Say in the row which films there are, and keep them as a version. `have`: ids by name of the files that Airtable
    has already, when others have to be sent again.
    """
    if run.record_id is None or run.base_id is None or not cuts:
        return
    show_run(services, tx, run, urgent=True, extra=film_cells(services, cuts, have=have))
    if not cuts[0].animatic and have is None:
        _show_version(services, tx, run, cuts)


def film_cells(
    services: Services, cuts: Sequence[Cut], *, mark: str = "", have: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The cells of a row that belong to its film. Files are left out where Airtable could not fetch them.

    Airtable refuses a link that failed before: `mark` tells this giving from others; by default it is how many links
    of the film were given.
    """
    attach = services.policy.airtable_reaches_us
    files = film_files(cuts, mark or str(cuts[0].attachment.links), have or {})
    fields = delivery_fields(
        video_url=services.links.video(cuts[0].token),
        duration_s=cuts[0].footage.duration_s,
        films=files[VideoField.FINAL_VIDEO] if attach else None,
        posters=files[VideoField.POSTER] if attach else None,
        keep_others=services.policy.keep_old_films,
    )
    return _plain(fields)


def film_files(cuts: Sequence[Cut], mark: str, have: Mapping[str, str]) -> dict[str, list[FileLink]]:
    """The files of `Final Video` and `Poster`, which `Videos` and `Versions` call alike."""
    films = [(cut.key, film_name(cut), cut.size) for cut in cuts]
    posters = [(cut.poster_key, poster_name(cut), None) for cut in cuts if cut.poster_key]

    def links(files: Sequence[tuple[str | None, str, int | None]]) -> list[FileLink]:
        return [
            FileLink(url=f"{STORED}{key}#{mark}", filename=name, id=have.get(name), size=size)
            for key, name, size in files
        ]

    return {VideoField.FINAL_VIDEO.value: links(films), VideoField.POSTER.value: links(posters)}


def _show_version(services: Services, tx: Tx, run: Run, cuts: Sequence[Cut]) -> None:
    key, files = version_key(run.record_id or run.id, run.number), film_files(cuts, "0", {})
    fields = version_fields(
        key=key,
        record_id=run.record_id or "",
        run=run.number,
        created_at=cuts[0].created_at,
        cost_micro=ledger.spent(tx, run_id=run.id),
        model=run.plan.model if run.plan else "",
        what_changed=what_changed(tx, run),
        films=files[VersionField.FINAL_VIDEO],
        posters=files[VersionField.POSTER],
    )
    if not services.policy.airtable_reaches_us:
        del fields[VersionField.FINAL_VIDEO], fields[VersionField.POSTER]
    put(
        tx,
        services.clock.now(),
        base_id=run.base_id or "",
        table=AirtableTable.VERSIONS,
        run_id=run.id,
        merge_key=key,
        fields=_plain(fields),
    )


def what_changed(tx: Tx, run: Run) -> str:
    """One sentence for the version: the first one, which scenes are new, or that all clips were reused."""
    if run.number == 1 and run.take == 0:
        return "First version."
    earlier = tx.cuts.find(run_id=run.id, before={"take": run.take}, animatic=False, order="-take", limit=1)
    since = earlier[0].created_at if earlier else 0.0
    clips = {clip.id for clip in tx.clips.find(run_id=run.id) if clip.created_at > since}
    new = [str(scene.number) for scene in tx.scenes.find(run_id=run.id, order="number") if scene.clip_id in clips]
    if not new:
        return "The same clips, put together anew."
    return f"New clip{'s' if len(new) > 1 else ''} for scene{'s' if len(new) > 1 else ''} {', '.join(new)}."


def film_name(cut: Cut) -> str:
    """What a cut is called in its cell."""
    return cut.filename or "film.mp4"


def poster_name(cut: Cut) -> str:
    """What its poster is called."""
    return film_name(cut).removesuffix(".mp4") + ".jpg"


def show_scenes(services: Services, tx: Tx, run: Run, *, urgent: bool = False, within_s: float | None = None) -> None:
    """Write the run's scenes into `Scenes`: our own by upsert on their key, a person's by their id."""
    for scene in tx.scenes.find(run_id=run.id, order="number"):
        show_scene(services, tx, run, scene, urgent=urgent, within_s=within_s)


def show_scene(
    services: Services, tx: Tx, run: Run, scene: Scene, *, urgent: bool = False, within_s: float | None = None
) -> None:
    """Say in a scene's row how it is: within `within_s`, else soon where something is wrong or over, and with the end
    of the film where all is well.
    """
    if run.record_id is None or run.base_id is None:
        return
    state = _scene_state(services, tx, scene)
    if scene.airtable_record_id:
        fields = scene_state(scene, **state) | {SceneField.SCENE_KEY: scene.key, SceneField.MODEL: scene.model}
    else:
        fields = scene_fields(scene, record_id=run.record_id, **state)
    clip = tx.clips.get(scene.clip_id) if scene.clip_id else None
    if clip is not None and services.policy.airtable_reaches_us:
        fields[SceneField.CLIP] = _clip_cell(tx, run, scene, clip)
    if within_s is None:
        waits = run.status in MOVING and scene.status not in _TROUBLED
        within_s = 0.0 if urgent else PARKED_S if waits else TROUBLE_S
    put(
        tx,
        services.clock.now(),
        base_id=run.base_id,
        table=AirtableTable.SCENES,
        run_id=run.id,
        record_id=scene.airtable_record_id,
        merge_key=scene.key,
        fields=_plain(fields),
        urgent=urgent,
        within_s=within_s,
    )


_TROUBLED = frozenset({SceneStatus.REFUSED, SceneStatus.FAILED})


def _clip_cell(tx: Tx, run: Run, scene: Scene, clip: Clip) -> list[dict[str, Any]]:
    """The clip's file, under the link that it was given by last: a new one would have it fetched once more."""
    known = entry_of_scene(tx, run, scene)
    cell: list[dict[str, Any]] = (known.fields.get(SceneField.CLIP) or []) if known else []
    if [key_of(item) for item in cell] == [f"{STORED}{clip.key}"]:
        return cell
    return [{"url": f"{STORED}{clip.key}#0", "filename": f"scene-{scene.number:02d}.mp4"}]


def key_of(item: Mapping[str, Any]) -> str:
    """The storage key of a wanted file, with its prefix and without the mark that tells one giving from another."""
    return str(item.get("url", "")).rpartition("#")[0]


def entry_of_scene(tx: Tx, run: Run, scene: Scene) -> OutboxEntry | None:
    """What a scene's row should say."""
    return tx.outbox.get(_entry_id(tx, run.base_id or "", AirtableTable.SCENES, scene.airtable_record_id, scene.key))


def _scene_state(services: Services, tx: Tx, scene: Scene) -> dict[str, Any]:
    generations = tx.generations.find(scene_id=scene.id, order="-created_at")
    clip = tx.clips.get(scene.clip_id) if scene.clip_id else None
    maker = tx.generations.get(clip.generation_id) if clip and clip.generation_id else None
    tried = [gen for gen in generations if gen.status is not GenerationStatus.CANCELLED or gen.intent_at is not None]
    jobs = (gen.provider_id for gen in (*generations, maker) if gen is not None and gen.provider_id)
    return {
        "now": services.clock.now(),
        "attempts": len(tried),
        "cost_micro": sum(ledger.spent(tx, generation_id=gen.id) for gen in tried) if tried or clip else None,
        "job_id": next(jobs, None),
        "clip_url": None if clip is None else services.links.page(run_id=scene.run_id),
    }


def put(
    tx: Tx,
    now: float,
    *,
    base_id: str,
    table: str,
    fields: dict[str, Any],
    run_id: str | None = None,
    record_id: str | None = None,
    merge_key: str | None = None,
    urgent: bool = False,
    within_s: float = 0.0,
) -> None:
    """Merge `fields` into what one row should say: due within some seconds, or when it was due anyway. A row of
    `Videos` that waits for no time of its own is told with the next thing that is urgent.
    """
    want_id = _entry_id(tx, base_id, table, record_id, merge_key)
    old = tx.outbox.get(want_id, lock=True)
    flushes = old.flushes if old is not None and run_id in (None, old.run_id) else 0
    due = _due(now, table, old, urgent=urgent, within_s=within_s)
    if old is None:
        merge = {KEY_FIELDS[table]: merge_key} if merge_key and not record_id else {}
        row = OutboxEntry(
            id=want_id,
            base_id=base_id,
            table=table,
            record_id=record_id,
            merge=merge,
            run_id=run_id,
            fields=fields,
            next_at=due,
            urgent=urgent,
        )
        if tx.outbox.add(row):
            return
        # Another process said something about this row at the same moment: what we say is added to it.
        old = tx.outbox.get(want_id, lock=True) or row
    # A row that is gone may be back when another run is started for it.
    gone = old.gone and run_id in (None, old.run_id)
    if due is None:
        due = old.next_at
    elif old.next_at is not None and old.lease_token is None:
        # What is being written at this moment was due; what is said meanwhile has its own time.
        due = min(due, old.next_at)
    tx.outbox.change(
        want_id,
        gone=gone,
        fields={**old.fields, **fields},
        run_id=run_id or old.run_id,
        flushes=flushes,
        next_at=None if gone else due,
        urgent=urgent or old.urgent,
        version=old.version + 1,
    )


def _due(now: float, table: str, old: OutboxEntry | None, *, urgent: bool, within_s: float) -> float | None:
    """When something is to be said; None for what has no time of its own."""
    if urgent or table == AirtableTable.SCENES:
        return now + within_s
    if table == AirtableTable.SETTINGS:
        return now + SETTINGS_PAUSE_S
    if table == AirtableTable.VIDEOS and old is not None:
        return None
    return now + COALESCE_S


def is_unsaid(tx: Tx, base_id: str, record_id: str, name: str, table: str = AirtableTable.VIDEOS) -> bool:
    """Whether a cell shows something else than it should because our word for it is still on its way."""
    found = tx.outbox.get(_entry_id(tx, base_id, table, record_id, None))
    if found is None or found.gone or found.next_at is None or name not in found.fields:
        return False
    return name not in found.sent or found.sent[name] != found.fields[name]


def show_again(services: Services, run_id: str, *, detail: str | None = None) -> None:
    """A person wrote over our `Status`, and the run goes on all the same: say it once more, or why nothing is done."""
    with services.store.write() as tx:
        run = tx.runs.get(run_id, lock=True)
        if run is None or run.base_id is None or run.record_id is None:
            return
        known = tx.outbox.get(_entry_id(tx, run.base_id, AirtableTable.VIDEOS, run.record_id, None), lock=True)
        if known is not None:
            sent = {name: value for name, value in known.sent.items() if name != VideoField.STATUS}
            tx.outbox.change(known.id, sent=sent, version=known.version + 1)
        extra = {VideoField.STATUS_DETAIL.value: detail} if detail else {}
        show_run(services, tx, run, urgent=True, extra=extra)


def _entry_id(tx: Tx, base_id: str, table: str, record_id: str | None, merge_key: str | None) -> str:
    """One outbox row for each row of the base, whether it was known by key first or by id."""
    known = tx.outbox.find(base_id=base_id, table=table, record_id=record_id, limit=1) if record_id else []
    return known[0].id if known else f"{base_id}/{table}/{record_id or merge_key}"


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Field names as plain text, for JSON."""
    return {str(name): value for name, value in fields.items()}
