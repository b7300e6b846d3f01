"""The cast of a film: a picture of each who comes back, bought before the first clip and given to every clip whose
model takes pictures. A film whose cast does not come is made with words alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.domain.footage import Consistency
from pipelines.domain.lifecycle import OPEN_PURCHASE
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.cast import (
    LONGEST_CHAIN,
    MAX_CAST,
    MAX_LOOKS,
    MAX_TOKEN,
    CastMember,
    note_on,
    seen_in,
    sheet_of,
    sheets_of,
)
from pipelines.domain.planning.hooks import first_film
from pipelines.domain.planning.pictures import TRIES
from pipelines.domain.planning.plan import Plan, with_cast_sought
from pipelines.domain.records import Purchase, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, warn
from pipelines.stages.pictures import requests
from pipelines.stages.spending import purchases

WAITS = "Making pictures of the cast."
_IN_WORDS = "Consistency Pictures was not used, and the cast is told in words: {}"
_NOT_WRITTEN = "the scenes were not written from Master Prompt."
_NOBODY = "nobody was found who comes back in several scenes."
_NO_ROOM = "no model of this video takes reference pictures."
_AGAIN = "Scene {} begins from the pictures of the cast again, because three scenes before it go on from one another."


def quoted(
    services: Services, order: Order, plan: Plan, members: Sequence[CastMember], *, sought: bool = False
) -> Plan:
    """The plan with pictures of its cast, as a line of the quote; or a sentence why there are none. In scenes of people
    it is still to be found, unless it was `sought` before.
    """
    if order.consistency is not Consistency.PICTURES:
        return plan
    model = services.pictures.model
    written = all(scene.prompt is not None for scene in plan.scenes if not scene.hook)
    reason = services.pictures.unavailable(model, services.today)
    search = _search(services, plan) if written and not members and not sought else None
    if not any(services.catalogue_model(scene.model).max_references for scene in plan.scenes):
        reason = _NO_ROOM
    elif written and not members and search is None:
        reason = _NOBODY if sought else _NOT_WRITTEN
    if model is None or reason:
        return replace(plan, warnings=(*plan.warnings, _IN_WORDS.format(reason)))
    longest = CastMember(token="x" * MAX_TOKEN, looks="x" * MAX_LOOKS)
    asked = [sheet_of(member, model) for member in (members or [longest] * MAX_CAST)]
    before = plan.picture_micro
    plan = requests.quoted(services, plan, model, "Cast", asked)
    plan = replace(plan, cast=tuple(members), cast_micro=plan.picture_micro - before)
    return plan if search is None else with_cast_sought(plan, search)


def _search(services: Services, plan: Plan) -> int | None:
    """What finding a cast in scenes that are there may cost; None where nobody can, or nothing can come back."""
    prompts = [scene.prompt or "" for scene in first_film(plan.scenes)]
    return services.writer.quote_cast_micro(prompts) if len(prompts) > 1 else None


def written(services: Services, order: Order, plan: Plan, members: Sequence[CastMember]) -> Plan:
    """The plan once its scenes are written: what was quoted for members that there are not is not set aside."""
    model = plan.picture_model
    if order.consistency is not Consistency.PICTURES or model is None or plan.cast_micro == 0:
        return plan
    micro = sum(services.pictures.quote_micro(sheet_of(one, model), services.today) for one in members) * TRIES
    micro = min(micro, plan.cast_micro)
    less = plan.cast_micro - micro
    charge = plan.picture_charge_micro * (plan.picture_micro - less) // plan.picture_micro
    line = (f"Cast: {len(members)} × {model}", micro)
    lines = tuple(line if name.startswith("Cast: ") else (name, amount) for name, amount in plan.lines)
    plan = replace(
        plan,
        cast=tuple(members),
        cast_micro=micro,
        picture_micro=plan.picture_micro - less,
        picture_charge_micro=charge,
        quote_micro=plan.quote_micro - less,
        lines=tuple(one for one in lines if one[1] or not one[0].startswith("Cast: ")),
    )
    return plan if members else replace(plan, warnings=(*plan.warnings, _IN_WORDS.format(_NOBODY)))


def order_sheets(services: Services, tx: Tx, actor: Actor, run: Run) -> None:
    """A purchase for each picture of the cast that nobody has bought yet."""
    plan = run.known_plan
    if plan.picture_model is None or services.pictures.unavailable(plan.picture_model, services.today):
        return
    for member in plan.cast:
        requests.order(services, tx, actor, run, sheet_of(member, plan.picture_model))


def waits(tx: Tx, services: Services, actor: Actor, run: Run) -> bool:
    """Whether a picture of the cast is still on its way; one whose run has stopped is ours to buy."""
    if not run.known_plan.cast:
        return False
    order_sheets(services, tx, actor, run)
    return any(one.status in OPEN_PURCHASE for one in sheets(tx, run).values())


def sheets(tx: Tx, run: Run) -> dict[str, Purchase]:
    """The purchases of the cast's pictures, by the token of the member."""
    members = sheets_of(run.known_plan.cast, run.known_plan.picture_model, run.account_id)
    found = tx.purchases.find(fingerprint=list(members)) if members else []
    return {members[one.fingerprint].token: one for one in found}


def give(services: Services, tx: Tx, run: Run, scenes: list[Scene]) -> list[Scene]:
    """The scenes with the pictures of those whom their prompts name, where their models take them."""
    plan = run.known_plan
    bought = sheets(tx, run) if plan.cast else {}
    there = {token: one.file for token, one in bought.items() if purchases.is_there(tx, one) and one.file}
    if not there:
        return scenes
    given: list[Scene] = []
    for scene in scenes:
        given.append(_given(services, tx, run, scene, given, there))
    return given


def _given(services: Services, tx: Tx, run: Run, scene: Scene, before: Sequence[Scene], there: dict[str, str]) -> Scene:
    """A picture to start from and pictures to look at exclude each other, so a scene that goes on from another has
    none; after a chain of those one begins from the cast again.
    """
    asked, room = scene.settings, services.catalogue_model(scene.model).max_references - len(scene.references)
    seen = [one for one in seen_in(scene.prompt, run.known_plan.cast) if one.token in there][: max(0, room)]
    if scene.clip_id or asked.cast or asked.first_frame or not seen:
        return scene
    if scene.continues and not _drifts(before):
        return scene
    if scene.continues:
        warn(tx, run, (_AGAIN.format(scene.number),))
    settings = replace(
        asked, cast=tuple(there[one.token] for one in seen), cast_note=note_on(seen, len(scene.references) + 1)
    )
    tx.scenes.change(scene.id, settings=settings, continues=False)
    return replace(scene, settings=settings, continues=False)


def _drifts(before: Sequence[Scene]) -> bool:
    """Whether so many scenes in a row go on from one another that the next would drift."""
    last = before[-LONGEST_CHAIN:]
    return len(last) == LONGEST_CHAIN and all(scene.continues for scene in last)
