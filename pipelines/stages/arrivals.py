"""Whether Airtable really has the files it was given links to, and fresh links for those that it failed to fetch.

A failed fetch shows in no answer: the file vanishes from its cell, or stays there without a size. The film of a run is
looked after by its delivery; here that is done for what nobody waits for: the copy in `Versions`, and a film that
somebody put back. All that a base has to be looked after at one time is read in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.domain.board_fields import BoardTable, VersionField, VideoField, attachments
from pipelines.domain.errors import BoardQuota, ReelgridError
from pipelines.domain.keys import version_key
from pipelines.domain.lifecycle import CutStatus
from pipelines.domain.run import Cut, Run, Want
from pipelines.ports import Tx
from pipelines.stages import outbox
from pipelines.stages.moves import FREE, Actor, record
from pipelines.stages.services import Services
from pipelines.stages.stitch import films_of

PAUSES_S = (20.0, 60.0, 180.0)
"""Nobody waits for these files, so the first look comes when Airtable is done with nearly all of them."""
TRIES = 3
ALONG_S = 90.0
"""What is due within this time is read along."""
AWAY_S = 3600.0
AT_ONCE = 100
_FILMS, _POSTERS = VideoField.FINAL_VIDEO.value, VideoField.POSTER.value
LOOKS = "looks"
"""Where a cut remembers what is to be looked after: by table, `checks` of this link, `tries` of all."""


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
    return [File(outbox.film_name(cut), "video/", cut.size) for cut in cuts]


def posters(cuts: Sequence[Cut]) -> list[File]:
    """Their posters."""
    return [File(outbox.poster_name(cut), "image/") for cut in cuts if cut.poster_key]


def compare(files: Sequence[File], cell: Sequence[Mapping[str, Any]]) -> Arrival:
    """A file has arrived when its size is known and right, and its type is what it should be. One is lost when too few
    are still on their way: a cell that was emptied, or a page that was stored in the film's place.
    """
    have: dict[str, str] = {}
    names = {file.filename for file in files}
    for file in files:
        # Two formats may have the same size: what bears another's name is the other's.
        others = names - {file.filename}
        mine = [item for item in cell if _is(file, item) and item.get("filename") not in others]
        ids = [str(item["id"]) for item in mine if item["id"] not in have.values()]
        if ids:
            have[file.filename] = ids[0]
    on_their_way = sum("size" not in item for item in cell)
    missing = len(files) - len(have)
    return Arrival(have, whole=missing == 0, lost=missing > on_their_way)


def compare_cells(cuts: Sequence[Cut], cells: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Arrival, Arrival]:
    """Films and posters. Nobody misses posters in a base that has no column for them."""
    film = compare(films(cuts), cells.get(_FILMS, ()))
    return film, compare(posters(cuts), cells[_POSTERS]) if _POSTERS in cells else Arrival()


def _is(file: File, item: Mapping[str, Any]) -> bool:
    """Fully ingested, and this file."""
    right = item.get("size") == file.size if file.size is not None else item.get("filename") == file.filename
    return bool(right and item.get("size") and item.get("id") and str(item.get("type", "")).startswith(file.kind))


def look_later(cut: Cut, table: str) -> dict[str, Any]:
    """The `attachment` of a cut whose files in `table` are to be looked after."""
    return {**cut.attachment, LOOKS: {**cut.attachment.get(LOOKS, {}), table: {"checks": 0, "tries": 0}}}


@dataclass(frozen=True, slots=True)
class _Place:
    """One row that should have a run's films."""

    cut: Cut
    run: Run
    cuts: list[Cut]
    want: Want

    @property
    def is_written(self) -> bool:
        """Airtable has taken the links."""
        return self.want.next_at is None and self.want.sent.get(_FILMS) == self.want.fields.get(_FILMS)


def look(services: Services, actor: Actor, cut_id: str) -> None:
    """Look after the files of one delivered cut, and of all others of its base that are due about now."""
    with services.store.read() as tx:
        cut = tx.cuts.get(cut_id)
        run = tx.runs.get(cut.run_id) if cut else None
        table = next(iter(cut.attachment.get(LOOKS, {})), None) if cut else None
        places = _places(tx, run.base_id, table, actor.now) if run and run.base_id and table else []
    if cut is None:
        return
    base_id, written = (run.base_id or "") if run else "", {one.want.record_id or "": one for one in places}
    written = {row: place for row, place in written.items() if row and place.is_written}
    cells = {}
    if written:
        runs = [place.run.id for place in written.values()]
        cells = services.board.attachments_of(base_id, str(table), list(written), (_FILMS, _POSTERS), runs)
    with services.store.write() as tx:
        for place in places:
            _judge(services, tx, actor, place, str(table), cells.get(place.want.record_id or ""))
        _leave(tx, actor, cut, str(table), known=cut.id in {place.cut.id for place in places})


def _places(tx: Tx, base_id: str, table: str, now: float) -> list[_Place]:
    due: dict[str, Any] = {"before": {"next_at": now + ALONG_S}, "after": {"next_at": 0.0}}
    cuts = tx.cuts.find(order="next_at", limit=AT_ONCE, status=CutStatus.DELIVERED, **due)
    found = [_place(tx, base_id, table, cut) for cut in cuts if table in cut.attachment.get(LOOKS, {})]
    return [place for place in found if place is not None]


def _place(tx: Tx, base_id: str, table: str, cut: Cut) -> _Place | None:
    """None when the row is gone, or shows another film by now."""
    run = tx.runs.get(cut.run_id)
    if run is None or run.base_id != base_id or run.record_id is None or run.take != cut.take:
        return None
    name = version_key(run.record_id, run.number) if table == BoardTable.VERSIONS else run.record_id
    want, cuts = tx.wants.get(f"{base_id}/{table}/{name}"), films_of(tx, run)
    if want is None or want.gone or want.error:
        return None
    shown = [str(item.get("filename")) for item in want.fields.get(_FILMS) or [] if "filename" in item]
    return _Place(cut, run, cuts, want) if shown == [file.filename for file in films(cuts)] else None


def _judge(
    services: Services, tx: Tx, actor: Actor, place: _Place, table: str, cells: Mapping[str, Sequence[Any]] | None
) -> None:
    state = dict(place.cut.attachment[LOOKS][table])
    if not place.is_written:
        _again(tx, actor, place, table, state, PAUSES_S[0])
        return
    film, poster = compare_cells(place.cuts, cells or {})
    state["checks"] += 1
    if cells is None or (film.whole and poster.whole):
        _again(tx, actor, place, table, None, None)
    elif not (film.lost or poster.lost) and state["checks"] < len(PAUSES_S):
        _again(tx, actor, place, table, state, PAUSES_S[state["checks"]])
    elif state["tries"] + 1 >= TRIES:
        record(tx, actor, "run", place.run.id, place.run.id, "not_attached", table=table)
        _say(services, tx, place, table, _NOT_ATTACHED[table](place))
        _again(tx, actor, place, table, None, None)
    else:
        state |= {"checks": 0, "tries": state["tries"] + 1}
        mark = f"{table[0].lower()}{state['tries']}-{place.want.flushes}"
        cell = outbox.film_files(place.cuts, mark, {**film.have, **poster.have})
        record(tx, actor, "run", place.run.id, place.run.id, "attached_again", tries=state["tries"], table=table)
        _say(services, tx, place, table, {name: attachments(files) for name, files in cell.items()})
        _again(tx, actor, place, table, state, PAUSES_S[0])


def _say(services: Services, tx: Tx, place: _Place, table: str, fields: dict[str, Any]) -> None:
    want = place.want
    key = next(iter(want.merge.values()), None)
    now = services.clock.now()
    where: dict[str, Any] = {"base_id": want.base_id, "table": table, "record_id": want.record_id, "merge_key": key}
    outbox.want(tx, now, fields=fields, run_id=want.run_id, urgent=True, **where)


def _version_note(place: _Place) -> dict[str, Any]:
    what = str(place.want.fields.get(VersionField.WHAT_CHANGED, ""))
    return {VersionField.WHAT_CHANGED.value: f"{what} Airtable could not fetch the file; Restore still works.".strip()}


def _row_note(place: _Place) -> dict[str, Any]:
    sentence = f"The film of run {place.run.number} is back, but Airtable could not fetch it: open it with Video URL."
    return {VideoField.STATUS_DETAIL.value: sentence}


_NOT_ATTACHED = {BoardTable.VERSIONS.value: _version_note, BoardTable.VIDEOS.value: _row_note}


def _again(tx: Tx, actor: Actor, place: _Place, table: str, state: dict[str, int] | None, pause: float | None) -> None:
    """Look again after `pause`, or never more. Whoever else works on the cut right now decides about it himself."""
    cut = tx.cuts.get(place.cut.id, lock=True)
    if cut is None or cut.lease_token not in (None, actor.lease):
        return
    looks = {**cut.attachment.get(LOOKS, {}), table: state}
    looks = {name: kept for name, kept in looks.items() if kept is not None}
    next_at = actor.now + pause if pause is not None else (actor.now if looks else None)
    tx.cuts.change(cut.id, attachment={**cut.attachment, LOOKS: looks}, next_at=next_at)


def _leave(tx: Tx, actor: Actor, cut: Cut, table: str, *, known: bool) -> None:
    """The step is over; what has no place any more is not looked after any more."""
    changes: dict[str, Any] = {}
    if not known:
        looks = {name: state for name, state in cut.attachment.get(LOOKS, {}).items() if name != table}
        changes = {"attachment": {**cut.attachment, LOOKS: looks}, "next_at": actor.now if looks else None}
    tx.cuts.change(cut.id, {"lease_token": actor.lease}, attempts=0, **changes, **FREE)


def give_up(services: Services, actor: Actor, cut_id: str, error: ReelgridError) -> None:
    """The base cannot be read: with its quota used up we look again later, else the film's own link has to do."""
    with services.store.write() as tx:
        cut = tx.cuts.get(cut_id, lock=True)
        if cut is None:
            return
        changes: dict[str, Any] = {"next_at": actor.now + AWAY_S}
        if not isinstance(error, BoardQuota):
            changes = {"next_at": None, "attachment": {**cut.attachment, LOOKS: {}}}
        tx.cuts.change(cut_id, {"lease_token": actor.lease}, attempts=0, **changes, **FREE)
