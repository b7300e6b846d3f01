"""Which room buys what: spoken lines, translations and pictures are rows of one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from pipelines.domain.errors import ReelgridError
from pipelines.domain.records import Purchase
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.languages import translate
from pipelines.stages.narration import speak
from pipelines.stages.pictures import draw

_ROOMS: Mapping[str, ModuleType] = {"speech": speak, "translation": translate, "picture": draw}


def advance(services: Services, actor: Actor, bought: Purchase) -> None:
    """One step of one purchase."""
    _ROOMS[bought.kind].advance(services, actor, bought.id)


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had."""
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
    _ROOMS[bought.kind if bought else "speech"].give_up(services, actor, purchase_id, error)
