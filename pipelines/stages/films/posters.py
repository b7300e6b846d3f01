"""The picture that stands for a film in its row, in packs and on pages before it plays."""

from __future__ import annotations

from pipelines.domain.footage import Captions, FilmPlan, FilmReport, Poster
from pipelines.domain.orders.order import ai_label_corner, poster_title
from pipelines.domain.records import Run
from pipelines.stages.films import pieces
from pipelines.stages.kernel.services import Services


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
