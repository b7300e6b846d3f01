"""Drafts: quick looks at the clips of a film that waits for approval, and what the clips are made from then.

A draft is bought like a clip, but is no try at one: it stands under a `keys.draft_key`, is found again by what was
asked for, and has a hold of its own. Where it does not come, the scene's card is shown, and the clip is made without
one. So is the clip of a scene that was changed after its draft, or approved when its provider keeps that no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.domain.errors import OverBudget
from pipelines.domain.footage import Preview
from pipelines.domain.keys import digest, draft_key
from pipelines.domain.lifecycle import OPEN, GenerationStatus, Reason
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.hooks import FIRST, first_film
from pipelines.domain.planning.plan import Plan, PlannedScene, with_drafts
from pipelines.domain.records import Clip, Generation, Run, Scene
from pipelines.domain.state.generation import GenerationRequest
from pipelines.ports import Tx
from pipelines.stages.generations.requests import cached_clip, fingerprint, generation_of, request_for, without_clip
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, transition_generation, warn
from pipelines.stages.spending import ledger

_G = GenerationStatus
LAST_HOUR_S = 3600.0
"""A clip is not made from a draft that its provider keeps for no longer: it may wait for its turn."""
MAKING = "The drafts are being made. They appear here; nothing else is bought before you approve."
LOOK_AT_CARDS = "Please look at the scenes and the free preview, then approve."
LOOK = "Please look at the drafts, then approve: the clips are made from them."
_NOT_USED = "Preview Draft was not used, and the free animatic is shown: {}"
_NO_DRAFTS = "{} makes no drafts."
_OTHER_SIZE = "{} makes clips from drafts in {} only. Choose that Resolution to see drafts first."
_NO_SHAPE = "{} makes no drafts of this shape."
_CONTINUES = "a scene that goes on from the one before has no draft."
_SOME = "No draft is made of scene{} {}: in the preview a card is shown."
_FAILED = "The draft of scene {} could not be made, so its card is shown."
_REFUSED = (
    "The video service refused the draft of scene {}. Change its prompt before you approve, or it may be refused again."
)


def quoted(services: Services, order: Order, plan: Plan) -> Plan:
    """The plan with drafts of the first film's scenes, as a line of the quote; or a sentence why there are none."""
    if order.preview is not Preview.DRAFT:
        return plan
    scenes = [_with_draft(services, scene) for scene in plan.scenes]
    film = [scene for scene in scenes if scene.hook in ("", FIRST)]
    without = [str(scene.number) for scene in film if not scene.draft_micro]
    if len(without) == len(film):
        return replace(plan, warnings=(*plan.warnings, _NOT_USED.format(_why_none(services, film[0]))))
    if without:
        said = _SOME.format("s" if len(without) > 1 else "", ", ".join(without))
        plan = replace(plan, warnings=(*plan.warnings, said))
    return with_drafts(plan, scenes)


def _with_draft(services: Services, scene: PlannedScene) -> PlannedScene:
    card, asked = services.catalogue_model(scene.model), scene.settings
    frame = card.draft_of(asked.aspect_ratio, asked.resolution)
    if frame is None or scene.continues or scene.hook not in ("", FIRST):
        return scene
    return replace(scene, draft_micro=card.clip_price(frame.resolution, scene.buy_seconds))


def _why_none(services: Services, scene: PlannedScene) -> str:
    card = services.catalogue_model(scene.model)
    if not card.draft_finals:
        return _NO_DRAFTS.format(card.id)
    if scene.settings.resolution not in card.draft_finals:
        return _OTHER_SIZE.format(card.id, " or ".join(card.draft_finals))
    return _CONTINUES if scene.continues else _NO_SHAPE.format(card.id)


def wanted(tx: Tx, run: Run, scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes of which a draft is shown: those whose clips are not there yet."""
    film = first_film(scenes)
    drafted = [scene for scene in film if scene.settings.draft_micro]
    return without_clip(tx, run, drafted, len(film)) if drafted else []


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is asked for, the mark it is found by, and who made it where it is there and can be made into the clip."""

    request: GenerationRequest
    mark: str
    clip: Clip | None = None
    made_by: Generation | None = None


def _find(services: Services, tx: Tx, run: Run, scene: Scene, total: int) -> _Draft | None:
    """The draft of a scene as it is now; None where its model makes none. Of one that its provider keeps no longer the
    next has another mark, so that it can be bought again.
    """
    title = run.order.title if run.order else None
    final, card = request_for(scene, total, title), services.catalogue_model(scene.model)
    frame = card.draft_of(final.aspect_ratio, final.resolution)
    if frame is None:
        return None
    request = replace(
        final,
        draft=True,
        draft_charge_micro=scene.settings.draft_charge_micro,
        resolution=frame.resolution,
        width=frame.width,
        height=frame.height,
    )
    first = mark = fingerprint(request, scene.take, run.account_id)
    age = 0
    while (clip := cached_clip(tx, scene, mark)) is not None:
        made_by = tx.generations.get(clip.generation_id) if clip.generation_id else None
        if made_by is not None and _is_kept(services, made_by, card.draft_kept_s):
            return _Draft(request, mark, clip, made_by)
        age += 1
        mark = digest("draft", first, age)
    return _Draft(request, mark)


def _is_kept(services: Services, made_by: Generation, kept_s: float) -> bool:
    ordered_at = made_by.intent_at or made_by.created_at
    return services.clock.now() < ordered_at + kept_s - LAST_HOUR_S


def order(services: Services, tx: Tx, actor: Actor, run: Run, scenes: Sequence[Scene]) -> None:
    """Commit a part of the hold to each draft that nobody has bought yet; a step of its own buys it."""
    total = len(first_film(scenes))
    for scene in ledger.drafts_to_order(tx, run, wanted(tx, run, scenes)):
        found = _find(services, tx, run, scene, total)
        if found is None or found.clip is not None:
            continue
        card, price = services.catalogue_model(scene.model), scene.settings.draft_micro
        key = draft_key(scene.id)
        gen = generation_of(card, run, key, found.request, found.mark, actor.now, reserve_micro=price)
        try:
            ledger.must_still_fit(tx, actor.now, run, price)
        except OverBudget:
            warn(tx, run, (_FAILED.format(scene.number),))
            continue
        tx.generations.add(gen)
        ledger.reserve(tx, actor.now, run, gen)
        record(tx, actor, "generation", gen.id, run.id, "status", None, gen.status, scene=key, model=gen.model)


def being_made(tx: Tx, run: Run) -> list[Generation]:
    """The drafts of the run that may still come."""
    return [gen for gen in tx.generations.find(run_id=run.id, status=tuple(OPEN)) if gen.request.draft]


def committed(tx: Tx, run: Run) -> int:
    """What those may cost."""
    return sum(gen.reserve_micro for gen in being_made(tx, run))


def shown(services: Services, tx: Tx, run: Run, scenes: Sequence[Scene]) -> dict[str, Clip]:
    """The drafts that there are, by scene. Of those that did not come the run says so."""
    total = len(first_film(scenes))
    found: dict[str, Clip] = {}
    missing = []
    for scene in wanted(tx, run, scenes):
        draft = _find(services, tx, run, scene, total)
        if draft is not None and draft.clip is not None:
            found[scene.id] = draft.clip
        else:
            last = tx.generations.find(scene_id=draft_key(scene.id), order="-created_at", limit=1)
            refused = bool(last) and last[0].reason is Reason.REFUSED
            missing.append((_REFUSED if refused else _FAILED).format(scene.number))
    warn(tx, run, missing)
    return found


def made_from(
    services: Services, tx: Tx, run: Run, scene: Scene, request: GenerationRequest, total: int
) -> GenerationRequest:
    """The request for a clip, to be made from the scene's draft where that can be had. Once that came to nothing, it is
    asked for anew.
    """
    if not scene.settings.draft_micro or any(one.request.draft_job for one in tx.generations.find(scene_id=scene.id)):
        return request
    draft = _find(services, tx, run, scene, total)
    made_by = draft.made_by if draft is not None else None
    return request if made_by is None else replace(request, draft_job=made_by.job_id)


def withdraw(tx: Tx, actor: Actor, run: Run) -> None:
    """Drafts that were not asked for yet: what is approved is not looked at any more."""
    for gen in tx.generations.find(run_id=run.id, status=_G.PLANNED):
        if gen.request.draft:
            ledger.free(tx, actor.now, run, transition_generation(tx, replace(actor, lease=None), gen, _G.CANCELLED))
