"""The cheapest clip that can be bought here: what an operator buys to see that buying works."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import InvalidOrder, NotAllowed
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import Run
from pipelines.stages.files import usage
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders.plan_run import plan_order
from pipelines.stages.spending import caps, stop_switch

PROMPT = "A small paper boat floats on calm water, seen from above."


def cheapest_clip(services: Services, model: str | None = None) -> tuple[Order, Plan]:
    """Of all models that are set up, or of the one that is named. A free one only where nothing else is set up: it
    proves nothing about a provider. Raises NotAllowed when there is none.
    """
    cards = (card for card in services.catalogue.values() if services.providers.configured(card.provider))
    offered = [found for card in cards if card.id == (model or card.id) for found in _clips(services, card)]
    paid = [found for found in offered if found[1].quote_micro]
    if not offered:
        asked = model or "no model of the catalogue"
        raise NotAllowed(marketer=f"{asked} cannot be ordered here: see flask models list.")
    return min(paid or offered, key=lambda found: found[1].quote_micro)


def _clips(services: Services, card: CatalogueModel) -> Iterator[tuple[Order, Plan]]:
    """Its shortest clip in each shape and resolution, as planned and quoted; none that cannot be ordered today."""
    seconds = min(card.durations, default=card.min_seconds)
    scene = SceneOrder(prompt=PROMPT, seconds=seconds)
    for offer in card.offers:
        order = Order(
            title="Test purchase",
            model=card.id,
            scenes=(scene,),
            scene_count=1,
            clip_seconds=seconds,
            aspect_ratio=offer.aspect_ratio,
            resolution=offer.resolution,
        )
        try:
            yield order, plan_order(services, order)
        except InvalidOrder:
            continue


def must_be_affordable(services: Services, order: Order, plan: Plan) -> None:
    """Said before anybody is asked. Raises NotAllowed while spending is stopped or a limit leaves too little, and
    StorageFull; the run's own hold decides again.
    """
    run = Run(id=new_id("run"), status=RunStatus.QUEUED, source="clip", order=order)
    with services.store.read() as tx:
        usage.must_have_room(services, tx, None)
        reason = stop_switch.reason_if_on(tx)
        refused = caps.refusal(tx, services.clock.now(), run, plan.quote_micro, services.policy)
    if reason is not None:
        raise NotAllowed(marketer=f"Spending is stopped ({reason}). When it may go on: flask stop off.")
    if refused is not None and plan.quote_micro:
        raise NotAllowed(marketer=refused)
