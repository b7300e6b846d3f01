"""The rows of a run's films: planned once, found again, named, and with what has to be known to make them anew."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.domain.keys import new_id, new_token
from pipelines.domain.lifecycle import CutStatus
from pipelines.domain.records import Cut, Run, Scene
from pipelines.domain.state.delivery import JoinedScene
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor


def planned(services: Services, actor: Actor, run: Run, name: str, hook: str, language: str, *, animatic: bool) -> Cut:
    """The row of one film of the present take, which is there from now on."""
    cut = Cut(
        id=new_id("cut"),
        run_id=run.id,
        take=run.take,
        format=name,
        status=CutStatus.PLANNED,
        token=new_token(),
        animatic=animatic,
        hook=hook,
        language=language,
        created_at=actor.now,
    )
    with services.store.write() as tx:
        tx.cuts.add(cut)
        return tx.cuts.find(run_id=run.id, take=run.take, format=name, animatic=animatic, hook=hook, language=language)[
            0
        ]


def films_of(tx: Tx, run: Run, take: int | None = None) -> list[Cut]:
    """The films of a take of a run, by default its present one, that are kept, language by language and hook by
    hook in the order of its formats: the first is the film's own.
    """
    number = run.take if take is None else take
    cuts = tx.cuts.find(run_id=run.id, take=number, animatic=False, deleted_at=None)
    plan = run.plan
    if plan is None:
        return []
    kept = [cut for cut in cuts if cut.format in plan.formats]
    return sorted(kept, key=lambda cut: plan.place_of(cut.hook, cut.format, cut.language))


def film_name(run: Run, format_name: str, hook: str = "", language: str = "", *, animatic: bool) -> str:
    """A name that a person recognises among downloads: `spring-sale-r2-16x9.mp4`, `spring-sale-r2-16x9-b-de.mp4`."""
    title = ((run.order.title if run.order else None) or "").strip().lower()
    words = "".join(char if char.isalnum() else "-" for char in title)[:40].strip("-") or (run.record_id or run.id)
    take = f"-take{run.take + 1}" if run.take else ""
    kind = "-animatic" if animatic else ""
    letter = "".join(f"-{part}" for part in (hook, language) if part)
    return f"{words}-r{run.number}{take}-{format_name.replace(':', 'x')}{letter}{kind}.mp4"


def as_joined(scenes: Sequence[Scene]) -> tuple[JoinedScene, ...]:
    """What has to be known to put this very film into its run again."""
    return tuple(
        JoinedScene(
            scene_id=scene.id,
            clip_id=scene.clip_id,
            prompt=scene.prompt,
            caption=scene.caption,
            narration=scene.narration,
            sound=scene.sound,
            translations=scene.translations,
            seconds=scene.seconds,
            model=scene.model,
            settings=scene.settings,
        )
        for scene in scenes
        if scene.clip_id
    )
