"""Which room buys what: spoken lines, translations and pictures are rows of one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.domain.errors import ReelgridError
from pipelines.domain.records import Purchase
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.languages import translate
from pipelines.stages.narration import speak
from pipelines.stages.pictures import draw

_ADVANCE: Mapping[str, Callable[[Services, Actor, str], None]] = {
    "speech": speak.advance,
    "translation": translate.advance,
    "picture": draw.advance,
}
_GIVE_UP: Mapping[str, Callable[[Services, Actor, str, ReelgridError], None]] = {
    "speech": speak.give_up,
    "translation": translate.give_up,
    "picture": draw.give_up,
}


def advance(services: Services, actor: Actor, bought: Purchase) -> None:
    """One step of one purchase."""
    _ADVANCE[bought.kind](services, actor, bought.id)


def give_up(services: Services, actor: Actor, purchase_id: str, error: ReelgridError) -> None:
    """It cannot be had."""
    with services.store.read() as tx:
        bought = tx.purchases.get(purchase_id)
    _GIVE_UP[bought.kind if bought else "speech"](services, actor, purchase_id, error)
