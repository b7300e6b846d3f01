"""Films found by words and by meaning, each with why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.domain.errors import Unavailable
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.ports import FoundRuns, Place, RunFilter, Tx
from pipelines.stages.kernel.paging import cursor_after, cursor_at, place_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.search.indexing import SEARCHED_S
from pipelines.stages.search.ranking import DEEP, Near, fused, near
from pipelines.stages.views import run_view
from pipelines.stages.views.documents import FoundFilm, FoundScene, Reason
from pipelines.stages.views.run_list import ALL
from pipelines.stages.views.sections import Picture

MOST_WORDS = 8
LOOKED = 5_000
"""So many runs are looked through for one page; the next page goes on behind them."""
_NTH = "#"
"""In a cursor instead of a run's id: so many of one list were told, as it was at a moment."""
Way = Literal["words", "meaning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """A page of what was found."""

    films: list[FoundFilm]
    cursor: str | None
    """Of the next page."""
    by: tuple[Way, ...] | None
    """How films were looked for, `words` and `meaning`; None where it is never by meaning."""


@dataclass(frozen=True, slots=True)
class _Asked:
    words: Sequence[str]
    wanted: RunFilter
    limit: int
    since: float
    until: float


def find(
    services: Services,
    text: str,
    *,
    limit: int,
    cursor: str | None = None,
    since: float | None = None,
    until: float | None = None,
    wanted: RunFilter = ALL,
) -> FoundPage:
    """Films with all these words in title, prompts, captions, narrations or record id, and films that are about it.

    By words alone the newest come first, page by page; a page that has looked through `LOOKED` runs may have few films,
    or none, and a cursor all the same. With meaning the first pages are one list of both, the best first, as it was
    when the first of them was asked for; behind it films go on by their words. While the model is away a search begins
    by words alone. Raises ValueError for a cursor that is not ours, and Unavailable where the list cannot be gone on
    with.
    """
    place = place_of(cursor) if cursor else None
    listed_at, told = _list_place(place) if place else (services.clock.now(), 0)
    since = listed_at - SEARCHED_S if since is None else since
    before = listed_at if until is None else min(until, listed_at)
    asked = _Asked(searched_words(text), wanted, limit, since, before)
    behind = place or (None if until is None else (until, ""))
    if services.meaning is None:
        return _by_words(services, asked, behind, by=None)
    if told is not None:
        try:
            films = near(services, text, since=since, until=before)
        except Unavailable:
            if told:
                raise
        else:
            return _by_both(services, asked, films, listed_at, told)
    return _by_words(services, asked, behind, by=("words",))


def _list_place(place: Place) -> tuple[float, int | None]:
    """Since when the list stands, and how many of it were told; None behind it."""
    at, last = place
    told = last.removeprefix(_NTH)
    return at, int(told) if told != last and told.isdecimal() else None


def _by_words(services: Services, asked: _Asked, after: Place | None, *, by: tuple[Way, ...] | None) -> FoundPage:
    with services.store.read() as tx:
        found = _said_in(tx, asked, asked.limit + 1, after)
        films, runs = _films(services, tx, found.ids[: asked.limit], asked.words, {})
    cursor = cursor_after(runs[-1]) if len(found.ids) > asked.limit else _further(found)
    return FoundPage(films=films, cursor=cursor, by=by)


def _said_in(tx: Tx, asked: _Asked, limit: int, after: Place | None) -> FoundRuns:
    return tx.search(asked.words, asked.wanted, since=asked.since, limit=limit, looked=LOOKED, after=after)


def _further(found: FoundRuns) -> str | None:
    return cursor_at(found.end) if found.end else None


def _by_both(services: Services, asked: _Asked, films: Sequence[Near], listed_at: float, told: int) -> FoundPage:
    """A page of the list of both, behind the first `told`."""
    texts = {film.run_id: film.scenes for film in films}
    with services.store.read() as tx:
        if asked.wanted != ALL:
            met = {run.id for run in tx.runs.find(id=sorted(texts)) if asked.wanted.is_met(run)} if texts else set()
            texts = {run_id: scenes for run_id, scenes in texts.items() if run_id in met}
        said = _said_in(tx, asked, DEEP, (asked.until, ""))
        by_words = said.ids
        following = _further(said)
        if len(by_words) == DEEP:
            following = cursor_after(tx.runs.find(id=by_words[-1])[0])
        if following:
            # Films that have the words as well come there.
            for run_id in _with_all(tx, texts.keys() - set(by_words), asked.words):
                del texts[run_id]
        ids = fused(by_words, list(texts))
        end = told + asked.limit
        found, _ = _films(services, tx, ids[told:end], asked.words, texts)
    cursor = f"{listed_at!r}~{_NTH}{end}" if end < len(ids) else following
    return FoundPage(films=found, cursor=cursor, by=("words", "meaning"))


def _with_all(tx: Tx, run_ids: set[str], words: Sequence[str]) -> set[str]:
    """Those of the runs that have all the words."""
    said = {run.id: [run.words] for run in tx.runs.find(id=sorted(run_ids))}
    for scene in tx.scenes.find(run_id=sorted(run_ids)):
        said[scene.run_id].append(scene.words)
    return {run_id for run_id, texts in said.items() if all(any(word in text for text in texts) for word in words)}


def _films(
    services: Services, tx: Tx, ids: Sequence[str], words: Sequence[str], texts: Mapping[str, tuple[int, ...]]
) -> tuple[list[FoundFilm], list[Run]]:
    """Films in this order."""
    rows = {run.id: run for run in tx.runs.find(id=ids)} if ids else {}
    runs = [rows[run_id] for run_id in ids if run_id in rows]
    pictures = run_view.short_pictures(tx, runs)
    return [_why(services, one, words, texts.get(one.run.id, ())) for one in pictures], runs


def _why(services: Services, picture: Picture, words: Sequence[str], texts: Sequence[int]) -> FoundFilm:
    """A film, what of it has any of the words, and which of its scenes have, or are near by meaning."""
    order = picture.run.order or Order()
    said = [scene for scene in picture.scenes if _said(words, scene.prompt, scene.caption, scene.narration)]
    shown = [scene for scene in picture.scenes if scene in said or scene.number in texts]
    places: dict[Reason, str | None] = {
        "title": order.title,
        "master_prompt": order.master_prompt,
        "record_id": picture.run.record_id,
    }
    found_in = [name for name, text in places.items() if _said(words, text)]
    if said:
        found_in.append("scenes")
    if texts:
        found_in.append("meaning")
    return FoundFilm(
        run=run_view.summary(services, picture),
        found_in=found_in,
        scenes=[FoundScene(number=one.number, hook=one.hook or None, prompt=one.prompt) for one in shown],
    )


def searched_words(text: str) -> list[str]:
    """The words that are all looked for; of very many, the last ones as they stand together."""
    return " ".join(text.replace("\x00", "").split()).casefold().split(" ", MOST_WORDS - 1)


def _said(words: Sequence[str], *texts: str | None) -> bool:
    folded = [" ".join(text.split()).casefold() for text in texts if text]
    return any(word in text for word in words for text in folded)
