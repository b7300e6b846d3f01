"""The picture that stands for a film in its row, in packs and on pages before it plays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import Expired, InvalidOrder, UnplayableMedia
from pipelines.domain.footage import Captions, FilmPlan, FilmReport, Poster, PosterStyle
from pipelines.domain.keys import storage_folder
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.orders.order import Order, ai_label_corner, poster_title
from pipelines.domain.planning.pictures import PictureRequest
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import Cut, Purchase, Run
from pipelines.stages.files import keep
from pipelines.stages.films import pieces
from pipelines.stages.generations.fetch import sha256_of
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, warn
from pipelines.stages.pictures import requests

FRAME, TYPESET = "poster_frame", "poster_typeset"
"""In `Cut.extras`: what a designed poster is made from, and what stands for the film without it."""
WAITS = "Waiting for the poster."
_NOT_DESIGNED = "The poster is not designed, so the best frame with the title stands for it. {}"
_ASKED = (
    "Make the key picture of a film poster out of this frame of the film: the same subject, place, light and colours, "
    "recomposed with one clear focal point and strong contrast, so that it reads in a small size. Keep the lower third "
    "calm: a title is set over it later. No letters, words, numbers, logos, watermarks or borders."
)
_MOOD, _STYLE = 'The film is called "{}"; let its mood speak, and do not write it.', "Its style: {}"
_MOST = 400


def poster_of(services: Services, run: Run, plan: FilmPlan, report: FilmReport) -> Poster:
    """How the poster of a film is to be made. A title is never set over the words of a card."""
    order = run.known_order
    title = poster_title(order)
    if title is None:
        return Poster()
    lettering = pieces.lettering_of(order)
    first, last = int(plan.has_title_card), len(plan.pieces) - plan.has_end_card
    ends = (*report.starts_s, report.footage.duration_s)
    return Poster(
        title=title,
        lettering=lettering.local(services) if lettering else None,
        between_s=(ends[first], ends[last]),
        above_captions=order.captions in {Captions.BURNED, Captions.KARAOKE},
        ai_label=ai_label_corner(order),
    )


def quoted(services: Services, order: Order, plan: Plan, films: Plan) -> Plan:
    """The plan with a picture for the poster of each film, as a line of the quote; or a sentence why there is none."""
    if order.poster_style is not PosterStyle.DESIGNED:
        return plan
    model = services.pictures.model
    reason = services.pictures.unavailable(model, services.today)
    if model is None or reason:
        return replace(plan, warnings=(*plan.warnings, _NOT_DESIGNED.format(reason)))
    shapes = [shape for _ in films.hooks for shape in films.formats]
    return requests.quoted(services, plan, model, "Poster", [_request(order, model, shape, "") for shape in shapes])


def _request(order: Order, model: str, shape: str, frame: str) -> PictureRequest:
    title, style = (" ".join((words or "").split())[:_MOST] for words in (order.title, order.style_notes))
    said = [_ASKED, *([_MOOD.format(title)] if title else []), *([_STYLE.format(style)] if style else [])]
    return PictureRequest(model=model, prompt=" ".join(said), aspect_ratio=shape, sources=(frame,))


def frame_of(
    services: Services, run: Run, plan: FilmPlan, report: FilmReport, film: Path, twin: Cut | None
) -> dict[str, str]:
    """The film's frame by itself, where a picture is to be made from it: kept under its content, so that an equal
    frame is an equal purchase.
    """
    if run.known_order.poster_style is not PosterStyle.DESIGNED or run.known_plan.picture_model is None:
        return {}
    if twin is not None and FRAME in twin.extras:
        return {FRAME: twin.extras[FRAME]}
    with scratch.draft(services, "posters", "frame.jpg") as path:
        between = poster_of(services, run, plan, report).between_s
        services.editor.poster(film, path, Poster(between_s=between))
        sha, folder = sha256_of(path), storage_folder("pictures", run.account_id)
        return {FRAME: keep.keep(services, run.id, path, f"{folder}/{sha[:2]}/{sha}.jpg", "image/jpeg").key}


def designed(services: Services, actor: Actor, run: Run, cuts: Sequence[Cut]) -> list[Cut] | None:
    """The cuts with their pictures, bought now where nobody has done so; None while one is on its way. What does not
    come leaves the frame with its title.
    """
    model = run.known_plan.picture_model
    framed = [cut for cut in cuts if FRAME in cut.extras and TYPESET not in cut.extras]
    if model is None or not framed:
        return list(cuts)
    if reason := services.pictures.unavailable(model, services.today):
        with services.store.write() as tx:
            warn(tx, run, (_NOT_DESIGNED.format(reason),))
        return list(cuts)
    asked = {cut.id: _request(run.known_order, model, cut.format, cut.extras[FRAME]) for cut in framed}
    with services.store.write() as tx:
        bought = {cut_id: requests.order(services, tx, actor, run, request) for cut_id, request in asked.items()}
    if any(one.status in OPEN_PURCHASE for one in bought.values()):
        return None
    made = {cut_id: one for cut_id, one in bought.items() if one.status is GenerationStatus.FETCHED and one.file}
    return [_with_picture(services, actor, run, cut, made[cut.id]) if cut.id in made else cut for cut in cuts]


def _ground(services: Services, run: Run, picture: Path) -> Poster:
    order = run.known_order
    lettering = pieces.lettering_of(order)
    return Poster(
        title=poster_title(order),
        lettering=lettering.local(services) if lettering else None,
        ground=picture,
        ai_label=ai_label_corner(order),
    )


def _with_picture(services: Services, actor: Actor, run: Run, cut: Cut, bought: Purchase) -> Cut:
    """The picture in the shape of the film, with the title and the AI label set over it by us."""
    with scratch.folder(services, "posters", cut.id) as folder:
        try:
            look = _ground(services, run, scratch.local(services, bought.file or ""))
            poster = services.editor.poster(scratch.local(services, cut.key or ""), folder / "poster.jpg", look)
        except (Expired, InvalidOrder, UnplayableMedia) as error:
            with services.store.write() as tx:
                warn(tx, run, (_NOT_DESIGNED.format(error.marketer),))
            return cut
        stem = (cut.key or "").removesuffix(".mp4")
        key = keep.keep(services, run.id, poster, f"{stem}-{sha256_of(poster)[:12]}-poster.jpg", "image/jpeg").key
        told = json.loads(scratch.local(services, cut.extras["provenance"]).read_text("utf-8"))
        told["poster"] = {"model": bought.picture.model if bought.picture else None, "purchase": bought.id}
        sidecar = folder / "provenance.json"
        sidecar.write_text(json.dumps(told, indent=1, ensure_ascii=False), "utf-8")
        name = f"{stem}-{sha256_of(sidecar)[:12]}-provenance.json"
        beside = {"provenance": keep.keep(services, run.id, sidecar, name, "application/json").key}
    extras = {**cut.extras, **beside, TYPESET: cut.poster_key or ""}
    with services.store.write() as tx:
        tx.cuts.change(cut.id, poster_key=key, extras=extras)
        record(tx, actor, "cut", cut.id, run.id, "note", sentence="The poster was made by an image model from a frame.")
        return tx.cuts.get(cut.id) or cut
