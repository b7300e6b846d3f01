"""The last step of a film: it is signed, where the operator has a certificate for that."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from pipelines.domain.errors import ReelgridError
from pipelines.domain.footage import DigitalSource, FilmReport
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Clip, Scene
from pipelines.stages.generations.fetch import sha256_of
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)

NOT_SIGNED = "The film is not signed: ask your operator to look at flask doctor."


def source_of(order: Order, scenes: Sequence[Scene], clips: Sequence[Clip]) -> DigitalSource:
    """By who made the clips and whether somebody speaks: voices are trained, too."""
    if any(scene.sound for scene in scenes) or not all(clip.model.startswith("local/") for clip in clips):
        return DigitalSource.WITH_TRAINED_MODELS
    return DigitalSource.COMPUTED_AND_GIVEN if order.music or order.logo else DigitalSource.COMPUTED


def signed(
    services: Services, report: FilmReport, title: str, clips: Sequence[Clip], source: DigitalSource
) -> FilmReport:
    """The film with its signature, in the place of the film without: what is known of its bytes is known of these from
    here on. One that cannot be signed is as good a film, and its row says so.
    """
    if services.signer is None:
        return report
    film = report.path
    dest = film.with_name("signed.mp4")
    try:
        services.signer.sign(film, dest, title, [scratch.local(services, clip.key) for clip in clips], source)
    except ReelgridError as error:
        logger.warning("a film was not signed: %s", error.operator)
        return replace(report, notes=(*report.notes, NOT_SIGNED))
    dest.replace(film)
    footage = replace(report.footage, size_bytes=film.stat().st_size)
    return replace(report, footage=footage, sha256=sha256_of(film))
