"""A piece is one clip as one cut needs it: right size, rate and sound, captioned if wanted. Content-addressed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from pipelines.domain.footage import Captions, ClipWork, Corner, Logo, Target
from pipelines.domain.keys import digest
from pipelines.domain.order import order_from_json
from pipelines.domain.plan import format_size, plan_from_json
from pipelines.domain.run import Clip, Run, Scene
from pipelines.stages import scratch
from pipelines.stages.services import Services

VERSION = 1
"""Rises when the way of preparing changes, so that old pieces are not taken for new ones."""


class LogoWork(NamedTuple):
    """A stored picture, and how it is laid over."""

    key: str
    corner: Corner
    opacity: float


@dataclass(frozen=True, slots=True)
class PieceWork:
    """One clip for one format. `key` names the result by its inputs."""

    format: str
    clip: Clip
    target: Target
    trim_s: float | None
    caption: str | None
    logo: LogoWork | None

    @property
    def key(self) -> str:
        """Where the piece is kept; the same inputs give the same piece."""
        mark = digest(VERSION, self.clip.sha256, repr(self.target), self.trim_s, self.caption, self.logo)
        return f"pieces/{mark[:2]}/piece-{mark}.mp4"


def works(run: Run, scene: Scene, clip: Clip) -> list[PieceWork]:
    """One work for each format of the run."""
    order, plan = order_from_json(run.order or {}), plan_from_json(run.plan or {})
    caption = scene.caption if order.captions is Captions.BURNED else None
    length = float(clip.footage.get("duration_s", 0.0))
    frame = 1.0 / plan.fps
    trim = scene.seconds if scene.seconds and length > scene.seconds + frame else None
    logo = LogoWork(order.logo, order.logo_position, order.logo_opacity) if order.logo else None
    return [PieceWork(name, clip, target_of(run, name), trim, caption, logo) for name in plan.formats]


def target_of(run: Run, format_name: str) -> Target:
    """What every clip of one cut is brought to."""
    order, plan = order_from_json(run.order or {}), plan_from_json(run.plan or {})
    width, height = format_size(plan, format_name)
    fps = Fraction(plan.fps).limit_denominator(1001)
    return Target(width=width, height=height, fps=fps, fit=order.fit, loudness_lufs=order.loudness_lufs)


def make(services: Services, work: PieceWork) -> str:
    """Prepare the piece and store it, unless it is there; its key. A clip that is right as it is is its own piece."""
    if services.media.stat(work.key) is not None:
        return work.key
    dest = services.work / "pieces" / Path(work.key).name
    dest.parent.mkdir(parents=True, exist_ok=True)
    at = work.logo
    logo = Logo(path=scratch.local(services, at.key), corner=at.corner, opacity=at.opacity) if at else None
    source = scratch.local(services, work.clip.key)
    order = ClipWork(source=source, target=work.target, trim_s=work.trim_s, caption=work.caption, logo=logo)
    prepared = services.studio.prepare(order, dest)
    if prepared.changed:
        services.media.put_file(dest, work.key, "video/mp4")
    dest.unlink(missing_ok=True)
    return work.key if prepared.changed else work.clip.key
