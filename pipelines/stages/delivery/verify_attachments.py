"""Whether Airtable really has the files it was given links to, and fresh links for those that it failed to fetch.

A failed fetch shows in no answer: the file vanishes from its cell, or stays there without a size. The film of a run is
looked after by its delivery; here that is done for what nobody waits for: the copy in `Versions`, the clips in
`Scenes`, and a film that somebody put back. What our own server saw Airtable fetch is there; of the rest, all that a
table has to be looked after at one time is read in one call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.domain.airtable.fields import AirtableTable, SceneField, VersionField, VideoField
from pipelines.domain.airtable.values import Cell, CellFile, Cells, FileInCell, attachments, files_in, with_ids
from pipelines.domain.errors import AirtableQuota, ReelgridError
from pipelines.domain.keys import version_key
from pipelines.domain.lifecycle import CutStatus
from pipelines.domain.records import Cut, OutboxEntry, Run
from pipelines.domain.state.delivery import Attachment, Verification
from pipelines.ports import Tx
from pipelines.stages.base_rows import fetches, film_row, outbox, scene_rows
from pipelines.stages.films.cuts import films_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record

PAUSES_S = (20.0, 60.0, 180.0)
"""Nobody waits for these files, so the first look comes when Airtable is done with nearly all of them."""
TRIES = 3
ALONG_S = 90.0
"""What is due within this time is read along."""
AWAY_S = 3600.0
AT_ONCE = 100
_FILMS, _POSTERS, _CLIP = VideoField.FINAL_VIDEO.value, VideoField.POSTER.value, SceneField.CLIP.value


@dataclass(frozen=True, slots=True)
class File:
    """What a cell should have. A poster's size is not known beforehand: its name tells it."""

    filename: str
    kind: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a cell compares with what it should have: ids by file name, whether all are there, whether one is lost."""

    have: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True
    lost: bool = False


def films(cuts: Sequence[Cut]) -> list[File]:
    """The films of a row."""
    return [File(film_row.film_name(cut), "video/", cut.size) for cut in film_row.attached(cuts)]


def posters(cuts: Sequence[Cut]) -> list[File]:
    """Their posters."""
    return [File(film_row.poster_name(cut), "image/") for cut in film_row.attached(cuts) if cut.poster_key]


def compare(files: Sequence[File], cell: Sequence[CellFile]) -> Arrival:
    """A file has arrived when its size is known and right, and its type is what it should be. One is lost when too few
    are still on their way: a cell that was emptied, or a page that was stored in the film's place.
    """
    have: dict[str, str] = {}
    names = {file.filename for file in files}
    for file in files:
        # Two formats may have the same size: what bears another's name is the other's.
        others = names - {file.filename}
        mine = [item for item in cell if _is(file, item) and item.filename not in others]
        ids = [item.id for item in mine if item.id and item.id not in have.values()]
        if ids:
            have[file.filename] = ids[0]
    on_their_way = sum(item.size is None for item in cell)
    missing = len(files) - len(have)
    return Arrival(have, whole=missing == 0, lost=missing > on_their_way)


def compare_cells(cuts: Sequence[Cut], cells: Mapping[str, Sequence[CellFile]]) -> tuple[Arrival, Arrival]:
    """Films and posters. Nobody misses posters in a base that has no column for them."""
    film = compare(films(cuts), cells.get(_FILMS, ()))
    return film, compare(posters(cuts), cells[_POSTERS]) if _POSTERS in cells else Arrival()


def _is(file: File, item: CellFile) -> bool:
    """Fully ingested, and this file."""
    right = item.size == file.size if file.size is not None else item.filename == file.filename
    return bool(right and item.size and item.id and item.type.startswith(file.kind))


def schedule_verification(cut: Cut, *tables: str) -> Attachment:
    """The `attachment` of a cut whose files in these tables are to be looked after."""
    return replace(
        cut.attachment, verifications={**cut.attachment.verifications, **dict.fromkeys(tables, Verification())}
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the base, and the files that its cells should have."""

    entry: OutboxEntry
    files: Mapping[str, Sequence[File]]
    fetched: bool = False
    """Airtable was seen fetching all of them: nobody has to be asked."""

    @property
    def is_written(self) -> bool:
        """Airtable has taken the links."""
        sent, fields = self.entry.sent, self.entry.fields
        return self.entry.next_at is None and all(sent.get(name) == fields.get(name) for name in self.files)

    def compare(self, cells: Mapping[str, Sequence[CellFile]]) -> dict[str, Arrival]:
        """By field. Nobody misses files in a base that has no column for them."""
        return {name: compare(files, cells[name]) for name, files in self.files.items() if name in cells}


@dataclass(frozen=True, slots=True)
class _Place:
    """The rows of one table that should have a run's files."""

    cut: Cut
    run: Run
    cuts: list[Cut]
    rows: list[_Row]

    @property
    def is_written(self) -> bool:
        return all(row.is_written for row in self.rows)


def verify(services: Services, actor: Actor, cut_id: str) -> None:
    """Look after the files of one delivered cut, and of all others of its base that are due about now: one call for
    each table.
    """
    with services.store.read() as tx:
        cut = tx.cuts.get(cut_id)
        run = tx.runs.get(cut.run_id) if cut else None
    if cut is None:
        return
    known = {
        table: bool(run and run.base_id and _verify_table(services, actor, cut, run.base_id, table))
        for table in _due(cut, actor.now)
    }
    with services.store.write() as tx:
        _leave(tx, actor, cut, [table for table, is_known in known.items() if not is_known])


def _due(cut: Cut, now: float) -> list[str]:
    """The tables in which a cut's files are to be looked after about now."""
    return [table for table, known in cut.attachment.verifications.items() if known.at < now + ALONG_S]


def _verify_table(services: Services, actor: Actor, cut: Cut, base_id: str, table: str) -> bool:
    """One table. False when nothing of this cut is to be looked after there any more."""
    with services.store.read() as tx:
        places = _places(tx, base_id, table, actor.now)
    written = [place for place in places if place.is_written]
    asked = [row for place in written for row in place.rows if not row.fetched]
    rows = {row.entry.record_id: row for row in asked if row.entry.record_id}
    cells: Mapping[str, Mapping[str, Sequence[CellFile]]] = {}
    if rows:
        fields = list(dict.fromkeys(name for row in rows.values() for name in row.files))
        runs = [place.run.id for place in written if not all(row.fetched for row in place.rows)]
        cells = services.airtable.attachments_of(base_id, table, list(rows), fields, runs)
    with services.store.write() as tx:
        # Runs before what their rows should say, as in every stage, so that no two transactions wait for each other.
        for run_id in sorted({place.run.id for place in places}):
            tx.runs.get(run_id, lock=True)
        for place in places:
            _judge(services, tx, actor, place, table, cells)
    return cut.id in {place.cut.id for place in places}


def _places(tx: Tx, base_id: str, table: str, now: float) -> list[_Place]:
    cuts = tx.cuts.find(
        order="next_at",
        limit=AT_ONCE,
        after={"next_at": 0.0},
        before={"next_at": now + ALONG_S},
        status=CutStatus.DELIVERED,
    )
    found = [_place(tx, base_id, table, cut) for cut in cuts if table in _due(cut, now)]
    return [place for place in found if place is not None]


def _place(tx: Tx, base_id: str, table: str, cut: Cut) -> _Place | None:
    """None when nothing is to be looked after: the row is gone, or shows another film by now."""
    run = tx.runs.get(cut.run_id)
    if run is None or run.base_id != base_id or run.record_id is None or run.take != cut.take:
        return None
    cuts = films_of(tx, run)
    rows = _clip_rows(tx, run) if table == AirtableTable.SCENES else _film_rows(tx, run, table, cuts)
    return _Place(cut, run, cuts, rows) if rows else None


def _film_rows(tx: Tx, run: Run, table: str, cuts: Sequence[Cut]) -> list[_Row]:
    record_id = run.record_id or ""
    name = version_key(record_id, run.number) if table == AirtableTable.VERSIONS else record_id
    entry = tx.outbox.get(f"{run.base_id}/{table}/{name}")
    if entry is None or entry.gone or entry.error:
        return []
    shown = [file.filename for file in files_in(entry.fields.get(_FILMS)) if file.filename]
    if shown != [file.filename for file in films(cuts)]:
        return []
    cells = (_FILMS, _POSTERS)
    # What the answer to our last word shows to be missing is missing, whoever fetched it.
    fetched = table != AirtableTable.VIDEOS and was_fetched(tx, entry, cells, cuts[0].created_at)
    return [_Row(entry, {_FILMS: films(cuts), _POSTERS: posters(cuts)}, fetched)]


def was_fetched(tx: Tx, entry: OutboxEntry, cells: Sequence[str], since: float) -> bool:
    """Whether Airtable was seen fetching every file that these cells of a row were given by a link."""
    links = [file.url for name in cells for file in files_in(entry.sent.get(name)) if file.url]
    return bool(links) and fetches.all_seen(tx, [fetches.fetch_id_of(entry.id, url) for url in links], since)


def confirm(tx: Tx, run_id: str, cells: Mapping[str, object]) -> None:
    """The answer to what was written into a row of `Videos` shows its film: it need not be read for that."""
    run = tx.runs.get(run_id, lock=True)
    cuts = films_of(tx, run) if run else []
    if not cuts or AirtableTable.VIDEOS not in cuts[0].attachment.verifications or _FILMS not in cells:
        return
    film, poster = compare_cells(cuts, {name: files_in(cells[name]) for name in (_FILMS, _POSTERS) if name in cells})
    current = tx.cuts.get(cuts[0].id, lock=True)
    if not (film.whole and poster.whole) or current is None:
        return
    verifications = {
        name: state for name, state in current.attachment.verifications.items() if name != AirtableTable.VIDEOS
    }
    file_id = film.have[film_row.film_name(current)]
    seen = replace(current.attachment, id=file_id, verifications=verifications)
    tx.cuts.change(current.id, attachment=seen)


def _clip_rows(tx: Tx, run: Run) -> list[_Row]:
    """The scenes whose clip was given to Airtable and never seen there."""
    rows = []
    scenes = tx.scenes.find(run_id=run.id, order="number")
    clips = {clip.id: clip for clip in tx.clips.find(id={scene.clip_id for scene in scenes if scene.clip_id})}
    for scene in scenes:
        clip, entry = clips.get(scene.clip_id or ""), scene_rows.entry_of(tx, run, scene)
        if clip is None or entry is None or entry.gone or entry.error:
            continue
        unseen = [file for file in files_in(entry.fields.get(_CLIP)) if file.id is None]
        if unseen:
            files = {_CLIP: [File(file.filename, "video/", clip.size) for file in unseen]}
            rows.append(_Row(entry, files, was_fetched(tx, entry, [_CLIP], run.created_at)))
    return rows


def _judge(
    services: Services,
    tx: Tx,
    actor: Actor,
    place: _Place,
    table: str,
    cells: Mapping[str, Mapping[str, Sequence[CellFile]]],
) -> None:
    state = place.cut.attachment.verifications[table]
    if not place.is_written:
        _again(tx, actor, place.cut, table, state, PAUSES_S[0])
        return
    # A row that is gone misses nothing.
    seen = [(row, {} if row.fetched else row.compare(cells.get(row.entry.record_id or "", {}))) for row in place.rows]
    every = [arrival for _, found in seen for arrival in found.values()]
    state = replace(state, checks=state.checks + 1)
    if table == AirtableTable.SCENES:
        _remember_clips(tx, seen)
    if all(arrival.whole for arrival in every):
        _again(tx, actor, place.cut, table, None, None)
    elif not any(arrival.lost for arrival in every) and state.checks < len(PAUSES_S):
        _again(tx, actor, place.cut, table, state, PAUSES_S[state.checks])
    else:
        missing = [one for one in seen if not all(arrival.whole for arrival in one[1].values())]
        _resend(services, tx, actor, place, table, state, missing)


def _remember_clips(tx: Tx, seen: Sequence[tuple[_Row, Mapping[str, Arrival]]]) -> None:
    """What was seen once is not looked after again when another scene is made anew."""
    for row, found in seen:
        entry = tx.outbox.get(row.entry.id, lock=True)
        cell = row.entry.fields[_CLIP]
        if _CLIP in found and found[_CLIP].whole and entry is not None and entry.fields.get(_CLIP) == cell:
            known = with_ids(files_in(cell), found[_CLIP].have)
            tx.outbox.change(entry.id, fields={**entry.fields, _CLIP: known}, sent={**entry.sent, _CLIP: known})


def _resend(
    services: Services,
    tx: Tx,
    actor: Actor,
    place: _Place,
    table: str,
    state: Verification,
    missing: Sequence[tuple[_Row, Mapping[str, Arrival]]],
) -> None:
    """A fresh link for what Airtable failed to fetch; in the end its row says that."""
    run, now = place.run, services.clock.now()
    tries = state.tries + 1
    if tries >= TRIES:
        record(tx, actor, "run", run.id, run.id, "not_attached", table=table, **_TOLD["lost"].get(table, {}))
        for row, _ in missing:
            _say(tx, now, row.entry, _NOT_ATTACHED[table](run, row.entry))
        _again(tx, actor, place.cut, table, None, None)
        return
    told = _TOLD["again"].get(table, {})
    record(tx, actor, "run", run.id, run.id, "attached_again", tries=tries, table=table, **told)
    for row, found in missing:
        mark = f"{table[0].lower()}{tries}-{row.entry.flushes}"
        _say(tx, now, row.entry, _fresh_links(place, table, row, mark, found))
    _again(tx, actor, place.cut, table, replace(state, checks=0, tries=tries), PAUSES_S[0])


_TOLD: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "again": {AirtableTable.SCENES: {"sentence": "Airtable has not fetched a scene's clip; it is sent once more."}},
    "lost": {AirtableTable.SCENES: {"sentence": "Airtable could not fetch a scene's clip; its link works."}},
}
"""In the history, where it is not the film that is missing."""


def _fresh_links(
    place: _Place, table: str, row: _Row, mark: str, found: Mapping[str, Arrival]
) -> dict[str, list[FileInCell]]:
    """The cells as they are wanted, with links that were never given before, and ids for what is there already."""
    if table == AirtableTable.SCENES:
        clips = files_in(row.entry.fields[_CLIP])
        return {_CLIP: attachments([replace(clip, url=f"{scene_rows.key_of(clip)}#{mark}") for clip in clips])}
    have = {name: known for arrival in found.values() for name, known in arrival.have.items()}
    return {name: attachments(files) for name, files in film_row.files_of(place.cuts, mark, have).items()}


def _say(tx: Tx, now: float, entry: OutboxEntry, fields: Mapping[str, Cell]) -> None:
    key = next(iter(entry.merge.values()), None)
    outbox.put(
        tx,
        now,
        base_id=entry.base_id,
        table=entry.table,
        record_id=entry.record_id,
        merge_key=key,
        run_id=entry.run_id,
        fields=fields,
        urgent=True,
    )


def _version_note(_run: Run, entry: OutboxEntry) -> Cells:
    what = str(entry.fields.get(VersionField.WHAT_CHANGED, ""))
    return {VersionField.WHAT_CHANGED.value: f"{what} Airtable could not fetch the file; Restore still works.".strip()}


def _row_note(run: Run, _want: OutboxEntry) -> Cells:
    sentence = f"The film of run {run.number} is back, but Airtable could not fetch it: open it with Video URL."
    return {VideoField.STATUS_DETAIL.value: sentence}


def _clip_note(_run: Run, _want: OutboxEntry) -> Cells:
    return {SceneField.ERROR.value: "Airtable could not fetch the clip, which is in the film: open it with Clip URL."}


_NOT_ATTACHED = {
    AirtableTable.VERSIONS.value: _version_note,
    AirtableTable.VIDEOS.value: _row_note,
    AirtableTable.SCENES.value: _clip_note,
}


def _again(tx: Tx, actor: Actor, cut: Cut, table: str, state: Verification | None, pause: float | None) -> None:
    """Look again after `pause`, or never more. Whoever else works on the cut right now decides about it himself."""
    current = tx.cuts.get(cut.id, lock=True)
    if current is None or current.lease_token not in (None, actor.lease):
        return
    verifications = {name: kept for name, kept in current.attachment.verifications.items() if name != table}
    if state is not None and pause is not None:
        verifications[table] = replace(state, at=actor.now + pause)
    _keep(tx, current, verifications)


def _keep(tx: Tx, cut: Cut, verifications: Mapping[str, Verification], **changes: Any) -> None:
    """Remember what is to be looked after, and come back when the first of it is due."""
    next_at = min((known.at or cut.next_at or 0.0 for known in verifications.values()), default=None)
    tx.cuts.change(cut.id, attachment=replace(cut.attachment, verifications=verifications), next_at=next_at, **changes)


def _leave(tx: Tx, actor: Actor, cut: Cut, forget: Collection[str]) -> None:
    """The step is over; what has no place any more is not looked after any more."""
    current = tx.cuts.get(cut.id, lock=True)
    if current is not None and current.lease_token == actor.lease:
        verifications = {name: kept for name, kept in current.attachment.verifications.items() if name not in forget}
        _keep(tx, current, verifications, attempts=0, **FREE)


def give_up(services: Services, actor: Actor, cut_id: str, error: ReelgridError) -> None:
    """The base cannot be read: with its quota used up we look again later, else the film's own link has to do."""
    with services.store.write() as tx:
        cut = tx.cuts.get(cut_id, lock=True)
        if cut is None:
            return
        later = isinstance(error, AirtableQuota)
        attachment = cut.attachment if later else replace(cut.attachment, verifications={})
        next_at, when = actor.now + AWAY_S if later else None, {"lease_token": actor.lease}
        tx.cuts.change(cut_id, when, attempts=0, next_at=next_at, attachment=attachment, **FREE)
