"""Which pictures a run wants: quoted before it starts, ordered when what they are made from is there, and found again
where they were bought before. Nothing here may fail a film.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import OPEN_PURCHASE, GenerationStatus
from pipelines.domain.planning.pictures import TRIES, PictureRequest, fingerprint
from pipelines.domain.planning.plan import Plan, with_pictures
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, transition_purchase

_G = GenerationStatus


def quoted(services: Services, plan: Plan, model: str, what: str, asked: Sequence[PictureRequest]) -> Plan:
    """The plan with so many pictures, as a line of its own in the quote."""
    micro = sum(services.pictures.quote_micro(one, services.today) for one in asked) * TRIES
    return with_pictures(plan, model, f"{what}: {len(asked)} × {model}", micro)


def order(services: Services, tx: Tx, actor: Actor, run: Run, asked: PictureRequest) -> Purchase:
    """The purchase of a picture, begun where nobody has bought it yet: whoever has it open or has it serves all."""
    mark = fingerprint(asked, run.account_id)
    reserve = services.pictures.quote_micro(asked, services.today)
    tx.purchases.add(
        Purchase(
            id=new_id("pur"),
            run_id=run.id,
            account_id=run.account_id,
            kind="picture",
            fingerprint=mark,
            status=_G.PLANNED,
            picture=asked,
            reserve_micro=reserve,
            next_at=actor.now,
            created_at=actor.now,
            updated_at=actor.now,
        )
    )
    (bought,) = tx.purchases.find(fingerprint=mark)
    in_vain = bought.run_id == run.id and bought.status in (_G.FAILED, _G.UNKNOWN)
    if is_there(tx, bought):
        tx.files.change(bought.file or "", last_used_at=actor.now)
    elif bought.status not in OPEN_PURCHASE and not in_vain:
        again = {"run_id": run.id, "tries": 0, "error": None, "file": None, "attempts": 0, **FREE}
        again |= {"next_at": actor.now, "created_at": actor.now, "reserve_micro": reserve}
        transition_purchase(tx, actor, bought, _G.PLANNED, **again)
        (bought,) = tx.purchases.find(fingerprint=mark)
    return bought


def is_there(tx: Tx, bought: Purchase) -> bool:
    """Whether it was bought and its file is still ours."""
    return bought.status is _G.FETCHED and bool(bought.file) and tx.files.get(bought.file or "") is not None
