"""Which pictures a run wants: quoted before it starts, ordered when what they are made from is there, and found again
where they were bought before. Nothing here may fail a film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.domain.lifecycle import GenerationStatus
from pipelines.domain.planning.pictures import TRIES, PictureRequest, fingerprint
from pipelines.domain.planning.plan import Plan, with_pictures
from pipelines.domain.records import Purchase, Run
from pipelines.ports import Tx
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor
from pipelines.stages.spending import purchases


def quoted(services: Services, plan: Plan, model: str, what: str, asked: Sequence[PictureRequest]) -> Plan:
    """The plan with so many pictures, as a line of its own in the quote."""
    micro = sum(services.pictures.quote_micro(one, services.today) for one in asked) * TRIES
    return with_pictures(plan, model, f"{what}: {len(asked)} × {model}", micro)


def order(services: Services, tx: Tx, actor: Actor, run: Run, asked: PictureRequest) -> Purchase:
    """The purchase of a picture, begun where nobody has bought it yet: whoever has it open or has it serves all."""
    reserve = services.pictures.quote_micro(asked, services.today)
    new = purchases.planned(actor, run, "picture", fingerprint(asked, run.account_id), reserve)
    bought = purchases.ordered(tx, actor, replace(new, picture=asked))
    if bought.status is GenerationStatus.FETCHED:
        tx.files.change(bought.file or "", last_used_at=actor.now)
    return bought
