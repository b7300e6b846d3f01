"""Which room buys what: spoken lines and pictures are rows of one table."""

from __future__ import annotations

from pipelines.domain.errors import ReelgridError
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.narration import speak
from pipelines.stages.pictures import draw


def advance(services: Services, actor: Actor, purchase_id: str) -> None:
    """One step of one purchase."""
    (draw if _is_picture(services, purchase_id) else speak).advance(services, actor, purchase_id)


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had."""
    (draw if _is_picture(services, purchase_id) else speak).give_up(services, actor, purchase_id, error)


def _is_picture(services: Services, purchase_id: str) -> bool:
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
    return bought is not None and bought.kind == "picture"
