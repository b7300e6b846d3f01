"""How values look on a page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, request, url_for
from jinja2.ext import Extension
from markupsafe import Markup, escape

from pipelines.domain.languages import LANGUAGES
from pipelines.domain.lifecycle import AIRTABLE_STATUS, MOVING, RunStatus
from pipelines.domain.money import MICRO, CreditPosting, dollars, show, show_enough, to_micro
from pipelines.domain.records import Cut
from pipelines.domain.stored_files import FileKind
from pipelines.domain.times import iso
from webapp.context import services, settings

_TONES = {"done": "good", "needs_approval": "warn", "needs_attention": "warn", "failed": "bad", "cancelled": "idle"}
_SCENE_TONES = {"Done": "good", "Refused": "warn", "Failed": "bad", "Stale": "warn"}
_CENT = MICRO // 100
_MODEL = re.compile(r"\b[a-z0-9-]+/[\w./:-]*\w")
_UNSEEN = re.compile(r"^[ \t]+|(?<=^\n)\n|^[ \t]*(\{%(?:(?!%\}).)*%\})\n", re.MULTILINE)
_KIB = 1024
_MINUTE = 60
MOST_OPEN = 6
"""So many films of one run are listed without folding any."""
_EXTRAS = {"contact_sheet": "Contact sheet", "preview": "Preview", "srt": "Subtitles (SRT)", "vtt": "Subtitles (VTT)"}
_CREDIT_POSTINGS = {
    CreditPosting.GRANT: "Came in",
    CreditPosting.RESERVE: "Set aside for a film",
    CreditPosting.CAPTURE: "Spent",
    CreditPosting.ROUND: "Spent, to a whole credit",
    CreditPosting.RELEASE: "Not needed after all",
    CreditPosting.RETURN: "Given back",
    CreditPosting.EXPIRE: "Ended unused",
    CreditPosting.REVOKE: "Taken back",
}
_SCOPES = {
    "trigger": "order films and decide about them",
    "read": "see films and what they cost",
    "manage": "look after keys and webhooks",
    "admin": "do all that the operator may",
}
_KEY_FIELDS = {
    "name": "What it is for",
    "scopes": "It may",
    "expires_in_days": "Good for (days)",
    "day_cap_usd": "Spends at most a day",
}
_FILE_KINDS = {
    FileKind.CLIP: "Clips",
    FileKind.CUT: "Finished films",
    FileKind.EXTRA: "Posters, captions and the like",
    FileKind.PIECE: "Clips prepared for joining",
    FileKind.FRAME: "Pictures of clips",
    FileKind.CARD: "Title and end cards",
    FileKind.INPUT: "Pictures and music brought in",
}


def usd(amount: float | None) -> str:
    """`$1.20`, and `under 1 ¢` for less than that: files and programs have it to the micro-dollar."""
    if amount is None:
        return "–"
    return "under 1 ¢" if 0 < to_micro(amount) < _CENT else show(to_micro(amount))


def usd_enough(amount: float) -> str:
    """Rounded up to a cent: for what people agree to."""
    return most_of(to_micro(amount))


def most_of(micro: int) -> str:
    """`usd_enough`, of micro-dollars."""
    return show_enough(max(micro, _CENT) if micro > 0 else micro)


def differing_prices(seen_micro: int, now_micro: int) -> tuple[str, str]:
    """Two prices that differ, as exactly as it takes to see that they do."""
    rounded = most_of(seen_micro), most_of(now_micro)
    return rounded if len(set(rounded)) > 1 else (_exactly(seen_micro), _exactly(now_micro))


def _exactly(micro: int) -> str:
    return f"${dollars(micro):f}".rstrip("0")


def unit_price(amount: float) -> str:
    """What a second or a credit costs: many of them are bought, so that parts of a cent count."""
    return show(to_micro(amount))


def named(text: str) -> str:
    """A model, or a sentence of ours about some, by the names under which people choose them. What is not of the
    catalogue keeps its id.
    """
    known = services().catalogue
    return _MODEL.sub(lambda found: known[found[0]].label if found[0] in known else found[0], text)


def cost_name(label: str) -> str:
    """Models by their name, everything else as a sentence begins."""
    return named(label) if "/" in label else label[:1].upper() + label[1:]


def film_name(cut: dict[str, Any], run: dict[str, Any]) -> str:
    """What a person calls it."""
    if cut["animatic"] and any(line["label"].startswith("Drafts") for line in (run["plan"] or {}).get("lines", ())):
        return "Drafts, before the clips are bought"
    if cut["animatic"]:
        return "Free animatic, before anything is bought"
    stand_ins = [s["number"] for s in run["scenes"] if s["current_clip"] and s["current_clip"]["placeholder"]]
    return "Your film" + (f", with a placeholder for scene {', '.join(map(str, stand_ins))}" if stand_ins else "")


def clock(at: str, exact: bool = False) -> str:  # noqa: FBT001, FBT002 - filters take no keywords by habit
    """The moment in UTC, for those without a script; the script shows the reader's own time."""
    return datetime.fromisoformat(at).strftime("%d %b %H:%M:%S UTC" if exact else "%d %b %H:%M UTC")


def iso_time(at: float) -> str:
    """A moment of the database as a page's `time` has it."""
    return iso(at) or ""


def seconds(value: float | None) -> str:
    """`8 s`, `1 min 20 s`."""
    if value is None:
        return ""
    whole = round(value)
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s" if whole % _MINUTE else f"{whole // _MINUTE} min"
    return f"{round(value, 1):g} s"


def elapsed(value: float) -> str:
    """`1:08`, `1:02:08`."""
    whole = max(0, round(value))
    hours, rest = divmod(whole, _MINUTE**2)
    if hours:
        return f"{hours}:{rest // _MINUTE:02d}:{rest % _MINUTE:02d}"
    return f"{rest // _MINUTE}:{rest % _MINUTE:02d}"


def size(value: int | None) -> str:
    """`4.2 MB`."""
    if value is None:
        return ""
    return f"{value / _KIB**2:.1f} MB" if value >= _KIB**2 else f"{max(1, round(value / _KIB))} KB"


def tone(status: str) -> str:
    """The colour of a run's status."""
    return "moving" if RunStatus(status) in MOVING else _TONES[status]


def status_word(status: str) -> str:
    """The word that also stands in the row."""
    return AIRTABLE_STATUS[RunStatus(status)]


def scene_tone(status: str) -> str:
    """The colour of a scene's bar."""
    return _SCENE_TONES.get(status, "moving")


def language(tag: str) -> str:
    """A language as people call it."""
    return LANGUAGES[tag].name if tag in LANGUAGES else tag


def folded(films: Sequence[Cut | Mapping[str, Any]]) -> list[tuple[str, list[Cut | Mapping[str, Any]]]]:
    """Films as a page lists them: a few without a name; more by the names of their languages, or else of their hooks,
    so that the first ones are seen and the others unfolded.
    """

    def of(film: Cut | Mapping[str, Any], name: str) -> str:
        return (film[name] if isinstance(film, Mapping) else getattr(film, name)) or ""

    if len(films) <= MOST_OPEN:
        return [("", list(films))] if films else []
    by_language = len({of(film, "language") for film in films}) > 1
    named = [language(of(film, "language")) if by_language else f"Hook {of(film, 'hook')}" for film in films]
    return [
        (name, [film for film, its in zip(films, named, strict=True) if its == name]) for name in dict.fromkeys(named)
    ]


def credit_word(posting: str) -> str:
    """What a movement of credits is to whoever has them."""
    return _CREDIT_POSTINGS[CreditPosting(posting)]


def scope_word(scope: str) -> str:
    """What a key with this right may do, after "may"."""
    return _SCOPES.get(scope, scope)


def key_field(name: str) -> str:
    """What the form of a key calls one of its fields."""
    return _KEY_FIELDS.get(name.partition("[")[0], name)


def extra_word(name: str) -> str:
    """What an extra file is called."""
    return _EXTRAS.get(name, name.replace("_", " ").capitalize())


def file_kind(kind: str) -> str:
    """What a kind of stored file is called."""
    return _FILE_KINDS[FileKind(kind)]


def ticked(text: str) -> Markup:
    """Text with `code` in it."""
    pieces = [escape(piece) for piece in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(pieces))


def local(url: str) -> str:
    """Our own absolute link as a path: the page may be open under another name of ours than PUBLIC_URL."""
    prefix = settings().public_url
    if not url.startswith(f"{prefix}/"):
        return url
    return f"{urlsplit(prefix).path}{url[len(prefix) :]}"


def here(path: str) -> str:
    """A path on which the signed link that opened this page goes along."""
    token = request.args.get("t")
    if not token:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode({'t': token})}"


def asset(name: str) -> str:
    """The address of a stylesheet, script or picture of ours; another content has another one."""
    return url_for("static", filename=name, v=_mark(name))


@cache
def _mark(name: str) -> str:
    return sha256(files("webapp").joinpath("static", name).read_bytes()).hexdigest()[:10]


@cache
def _squeezed(name: str) -> bytes:
    """A stylesheet or script in fewer bytes: there is no secret in it."""
    return gzip.compress(files("webapp").joinpath("static", name).read_bytes(), 9, mtime=0)


def _keep_assets(response: Response) -> Response:
    """An address that names this content is never asked for twice; one of an earlier release is not kept. What is text
    goes compressed to whoever takes that.
    """
    name = (request.view_args or {}).get("filename", "")
    if request.endpoint == "static" and name.endswith((".css", ".js")) and response.status_code == HTTPStatus.OK:
        response.headers["Vary"] = "Accept-Encoding"
        if request.method == "GET" and request.accept_encodings.quality("gzip"):
            response.close()
            response.direct_passthrough = False
            response.set_data(_squeezed(name))
            response.headers["Content-Encoding"] = "gzip"
    found = request.endpoint == "static" and response.status_code < HTTPStatus.BAD_REQUEST
    if found and request.args.get("v") == _mark((request.view_args or {})["filename"]):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


class _Unindented(Extension):
    """Templates are indented, and statements stand on lines of their own, for whoever edits them; pages do not carry
    that over the wire. Values are not touched.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        return _UNSEEN.sub(lambda found: found[1] or "", source)


def register(app: Flask) -> None:
    """Make them known to the templates."""
    app.jinja_env.add_extension(_Unindented)
    app.add_template_global(asset)
    app.after_request(_keep_assets)
    for function in (
        usd,
        usd_enough,
        unit_price,
        named,
        cost_name,
        film_name,
        clock,
        iso_time,
        seconds,
        elapsed,
        size,
        tone,
        status_word,
        scene_tone,
        folded,
        credit_word,
        scope_word,
        key_field,
        extra_word,
        language,
        file_kind,
        ticked,
        local,
        here,
    ):
        app.add_template_filter(function)
