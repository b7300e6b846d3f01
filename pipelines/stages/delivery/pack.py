"""The pack of a run's films: who posts them finds a folder for each platform, with what to paste where."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from pipelines.domain.airtable.fields import VideoField
from pipelines.domain.keys import new_id, new_token
from pipelines.domain.languages import named
from pipelines.domain.orders.platforms import RULES, Platform, broken_limits
from pipelines.domain.records import Cut, Run
from pipelines.domain.stored_files import Pack, PackEntry
from pipelines.ports import Tx
from pipelines.stages.base_rows import run_row
from pipelines.stages.films.cuts import films_of
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record

README = "README.txt"
SOUND = "sound"
"""Among the extras of a film: its sound as a file."""
_PIECE = 1 << 20


def is_due(tx: Tx, run: Run) -> bool:
    """Whether it was ordered, everything that goes into it is there, and it is not made yet."""
    if run.order is None or not run.order.pack or pack_of(tx, run) is not None:
        return False
    films = films_of(tx, run)
    return bool(films) and all(film.attachment.extras for film in films)


def posts_sound(run: Run, cut: Cut) -> bool:
    """YouTube takes one film and a sound for each further language."""
    if run.order is None or run.plan is None or Platform.YOUTUBE not in run.order.pack or cut.animatic:
        return False
    heard = bool(run.plan.further_languages) and cut.footage.audio_codec is not None
    return heard and cut.format == RULES[Platform.YOUTUBE].shape


def pack_of(tx: Tx, run: Run) -> Pack | None:
    """The pack of the present take."""
    found = tx.packs.find(run_id=run.id, take=run.take, limit=1)
    return found[0] if found else None


def make(services: Services, actor: Actor, run: Run) -> None:
    """Look at each file once, for its length and check sum, and say in the row where the pack is."""
    with services.store.read() as tx:
        films = films_of(tx, run)
    pack = Pack(
        id=new_id("pack"),
        run_id=run.id,
        take=run.take,
        token=new_token(),
        entries=tuple(_entries(services, run, films)),
        created_at=actor.now,
    )
    with services.store.write() as tx:
        current = tx.runs.get(run.id, lock=True)
        if current is None or current.take != run.take or not tx.packs.add(pack):
            return
        record(tx, actor, "run", run.id, run.id, "packed", sentence="The pack for posting is ready.")
        extra = {
            VideoField.PACK_URL.value: services.links.pack(pack.token),
            VideoField.POST_TEXT.value: _cell(posts(run, films)) or None,
        }
        run_row.show(services, tx, current, urgent=True, extra=extra)


def posts(run: Run, films: Sequence[Cut]) -> dict[str, str]:
    """What is posted with the films, by their languages."""
    return {film.language: text for film in films if (text := run.posted_in(film.language))}


def _cell(texts: dict[str, str]) -> str:
    """All of them, each under the name of its language where there are several."""
    if len(texts) <= 1:
        return "".join(texts.values())
    return "\n\n".join(f"{named(language)}\n{text}" for language, text in texts.items())


def give_up(tx: Tx, actor: Actor, run: Run, sentence: str) -> None:
    """The films are there without it: an empty one says that it was tried."""
    if tx.packs.add(Pack(id=new_id("pack"), run_id=run.id, take=run.take, token=new_token(), created_at=actor.now)):
        record(tx, actor, "run", run.id, run.id, "no_pack", error=sentence)


def _entries(services: Services, run: Run, films: Sequence[Cut]) -> Iterator[PackEntry]:
    order, known = run.order, dict[str, tuple[int, int]]()
    if order is None:
        return
    read_me = _words(run, films).encode()
    yield PackEntry(name=README, size=len(read_me), crc32=zlib.crc32(read_me), text=read_me.decode())
    for name, text in _texts(order.pack, posts(run, films)):
        written = text.encode()
        yield PackEntry(name=name, size=len(written), crc32=zlib.crc32(written), text=text)
    for name, key in _files(order.pack, films):
        if key not in known:
            known[key] = _measured(services, key)
        size, crc = known[key]
        yield PackEntry(name=name, size=size, crc32=crc, key=key)


def _texts(platforms: Sequence[Platform], texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What to paste with each film, once for each platform and language."""
    for platform, (language, text) in product(platforms, texts.items()):
        yield post_name(platform, language), f"{text}\n"


def post_name(platform: Platform, language: str) -> str:
    """Where that stands in the pack."""
    return f"{platform}/post{language and f'.{language}'}.txt"


def _files(platforms: Sequence[Platform], films: Sequence[Cut]) -> Iterator[tuple[str, str]]:
    """Where each stored file stands in the pack."""
    for platform in platforms:
        for film in _films_for(platform, films):
            name = film.filename or "film.mp4"
            beside = {f"poster{_mark(film)}.jpg": film.poster_key}
            beside |= {name.removesuffix(".mp4") + f".{kind}": film.extras.get(kind) for kind in ("srt", "vtt")}
            yield f"{platform}/{name}", film.key or ""
            yield from ((f"{platform}/{called}", key) for called, key in beside.items() if key)
    for _, found in groupby(films, key=lambda film: (film.language, film.hook)):
        film = next(found)
        letter = _mark(film)
        for name, ending in (("contact-sheet", "jpg"), ("provenance", "json")):
            if key := film.extras.get(name.replace("-", "_")):
                yield f"{name}{letter}.{ending}", key
    for film in films:
        if key := film.extras.get(SOUND):
            yield f"audio/{film.language}{film.hook and f'-{film.hook}'}.m4a", key


def _mark(film: Cut) -> str:
    """What tells its files from those of the run's other films."""
    return "".join(f"-{part}" for part in (film.hook, film.language) if part)


def _films_for(platform: Platform, films: Sequence[Cut]) -> Iterator[Cut]:
    """Of each hook and language the film of the platform's shape; its own where it takes any, or there is none."""
    shape = RULES[platform].shape
    for _, found in groupby(films, key=lambda film: (film.language, film.hook)):
        shapes = list(found)
        yield next((film for film in shapes if film.format == shape), shapes[0])


def _measured(services: Services, key: str) -> tuple[int, int]:
    """Bytes and CRC-32 of a stored file, read in pieces."""
    size = crc = 0
    with scratch.local(services, key).open("rb") as file:
        while piece := file.read(_PIECE):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc


@dataclass(frozen=True, slots=True)
class Guide:
    """How a film is posted on one platform, by each of its hooks, and what of it the platform would not take."""

    platform: Platform
    films: Sequence[Cut]
    paste: tuple[str, ...]
    limits: tuple[str, ...]
    texts: Sequence[tuple[str, str]] = ()
    """What to paste, with its language."""


def guides(run: Run, films: Sequence[Cut], texts: Mapping[str, str]) -> Iterator[Guide]:
    """One for each platform of the order, with what it would not take of any of its films, and with what of the `texts`
    of its pack, by their names, is posted there.
    """
    languages = list(dict.fromkeys(film.language for film in films))
    for platform in run.order.pack if run.order else ():
        mine, limits = list(_films_for(platform, films)), dict[str, None]()
        for film in mine:
            limits |= dict.fromkeys(broken_limits(platform, film.footage, film.size or 0, film.format, title_of(run)))
        names = {language: post_name(platform, language) for language in languages}
        written = [(language, texts[name].strip()) for language, name in names.items() if name in texts]
        where = _where([names[language].rpartition("/")[2] for language, _ in written])
        paste = tuple(line.format(post=where) for line in RULES[platform].paste)
        yield Guide(platform, mine, paste, tuple(limits), written)


def _where(names: Sequence[str]) -> str:
    """Where the text to paste is; without one it is the marketer's."""
    if not names:
        return "a sentence and your hashtags"
    several = f"{', '.join(names[:-1])} or {names[-1]}, by the film's language" if len(names) > 1 else names[0]
    return f"the text of {several}"


def title_of(run: Run) -> str:
    """What the film is called; empty where nobody said."""
    return ((run.order.title if run.order else None) or "").strip()


def _words(run: Run, films: Sequence[Cut]) -> str:
    """What to paste where, and what a platform would not take."""
    lines = [title_of(run) or "Your film", "", "One folder for each platform. Upload the .mp4, then paste:", ""]
    for guide in guides(run, films, dict(_texts(run.order.pack if run.order else (), posts(run, films)))):
        lines += [guide.platform.value, *(f"- {line}" for line in guide.paste)]
        lines += [*(f"! {limit}" for limit in guide.limits), ""]
    lines.append("Every second of this film was made by a model: provenance.json says which, and when.")
    return "\r\n".join(lines) + "\r\n"
