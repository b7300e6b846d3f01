"""Lines that take too long for their clips are said shorter: asked of the writer once, before anybody speaks them.

The words of the order stay as they are. Where there is no writer, or what it writes cannot be used, they are spoken a
little faster and end early, and the row says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.narration import spoken
from pipelines.domain.planning.plan import Plan
from pipelines.domain.planning.translation import TRIES, Translation, fingerprint, shortening, takes_too_long
from pipelines.domain.records import Purchase, Run, Scene
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, warn
from pipelines.stages.spending import purchases

_G = GenerationStatus


def quoted(services: Services, order: Order, plan: Plan) -> Sequence[int]:
    """For each known line of a plan that takes too long, what having it said shorter may cost."""
    if services.writer.cannot_translate() is not None:
        return ()
    said = [
        (spoken(scene.narration, scene.caption), scene.seconds) for scene in plan.scenes if scene.prompt is not None
    ]
    return [
        services.writer.quote_translation_micro(shortening(order, text, seconds, plan.languages[0])) * TRIES
        for text, seconds in said
        if text and takes_too_long(text, seconds)
    ]


def question_of(run: Run, scene: Scene) -> Translation | None:
    """What is asked for a scene; None where what is said over it fits."""
    text = scene.aloud
    if text is None or not takes_too_long(text, scene.seconds):
        return None
    return shortening(run.known_order, text, scene.seconds, run.known_plan.languages[0])


def still_to_buy(services: Services, run: Run, scene: Scene) -> int:
    """What having a scene's words said shorter may cost."""
    asked = None if services.writer.cannot_translate() else question_of(run, scene)
    return services.writer.quote_translation_micro(asked) * TRIES if asked is not None else 0


def remembered(tx: Tx, run: Run, scene: Scene) -> Scene:
    """The scene as its words were said shorter before; as they are where they were not."""
    scene = replace(scene, settings=replace(scene.settings, said=None))
    asked = question_of(run, scene)
    known = tx.purchases.find(fingerprint=fingerprint(asked, run.account_id), status=_G.FETCHED) if asked else ()
    return replace(scene, settings=replace(scene.settings, said=known[0].answer[0])) if known else scene


def ordered(services: Services, tx: Tx, actor: Actor, run: Run, scene: Scene) -> Purchase | None:
    """The purchase of a scene's words that are said shorter, as it stands; None where nothing is to be asked."""
    asked = None if services.writer.cannot_translate() else question_of(run, scene)
    if asked is None:
        return None
    cost = services.writer.quote_translation_micro(asked)
    new = purchases.planned(actor, run, "translation", fingerprint(asked, run.account_id), cost)
    bought = purchases.ordered(tx, actor, replace(new, texts=asked))
    if bought.status is _G.FETCHED:
        give(tx, run, bought)
    return bought


def give(tx: Tx, run: Run, bought: Purchase) -> None:
    """The scenes of a run that wait for these words get them, and its row says which."""
    (said,) = bought.answer
    for scene in wanted_by(tx, run, bought):
        tx.scenes.change(scene.id, settings=replace(scene.settings, said=said))
        told = f"Scene {scene.number}: its words take too long for its clip, so the narrator says: “{said}”"
        warn(tx, run, (told,))


def wanted_by(tx: Tx, run: Run, bought: Purchase) -> Sequence[Scene]:
    """The scenes of a run that wait for a purchase."""
    asked = [(scene, question_of(run, scene)) for scene in tx.scenes.find(run_id=run.id, order="number")]
    return [scene for scene, one in asked if one and fingerprint(one, run.account_id) == bought.fingerprint]


def name_of(tx: Tx, run: Run, bought: Purchase) -> str:
    """Those scenes, in a sentence."""
    return "Scene " + ", ".join(str(scene.number) for scene in wanted_by(tx, run, bought))
