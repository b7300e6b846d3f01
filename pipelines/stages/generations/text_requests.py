"""Questions to the scene writer: asked under a row of their own, paid once, and the answer kept until it is used.

The step that asks may lose its lease while it waits (a machine so busy that heartbeats come late, a laptop that slept):
whoever takes the run over waits for the same answer instead of paying for another one.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.domain.errors import Busy, ReelgridError
from pipelines.domain.keys import digest
from pipelines.domain.records import Run, TextRequest
from pipelines.ports import Script, Tx
from pipelines.stages.generations.submit import insist
from pipelines.stages.kernel.leases import LEASE_S, RENEW_S, renewed
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record
from pipelines.stages.spending import ledger

PAUSE_S = 2.0
DOUBT_S = 2 * RENEW_S
"""So long an asker whose lease has ended may show that it only stood still."""
_ASKING = "The text is being written."


def question_of(run: Run, *subject: object) -> str:
    """The name of one question of a run: the same subject is the same question."""
    return f"{run.id}:{digest('text', *subject)}"


def answered(services: Services, actor: Actor, run: Run, question: str, ask: Callable[[], Script]) -> Script:
    """The answer that is there, or a new one, whose cost is booked at once, whoever has the run meanwhile. What an
    error cost is booked, too. Raises Busy while somebody else asks, and what `ask` raises.
    """
    kept, token = _taken(services, run, question)
    if kept is not None:
        return kept
    try:
        with renewed(services, "texts", question, token):
            script = ask()
    except ReelgridError as error:
        with services.store.write() as tx:
            tx.texts.remove(question)
            if error.cost_micro:
                ledger.spend_text(tx, services.clock.now(), run, error.cost_micro)
                record(tx, actor, "run", run.id, run.id, "paid_in_vain", cost_micro=error.cost_micro)
        error.cost_micro = 0
        raise
    insist(lambda: _keep(services, run, question, script))
    return script


def _keep(services: Services, run: Run, question: str, script: Script) -> None:
    with services.store.write() as tx:
        ledger.spend_text(tx, services.clock.now(), run, script.cost_micro)
        tx.texts.change(question, {"answered": False}, answered=True, answer=script, **FREE)


def used(tx: Tx, question: str) -> None:
    """In the transaction that commits what follows from an answer: it is not needed any more."""
    tx.texts.remove(question)


def _taken(services: Services, run: Run, question: str) -> tuple[Script | None, str]:
    """The kept answer; else the lease of the question, to ask it. Raises Busy."""
    now = services.clock.now()
    with services.store.write() as tx:
        tx.texts.add(TextRequest(id=question, run_id=run.id, asked_at=now, next_at=0.0))
        row = tx.texts.get(question, lock=True)
        if row is not None and row.answered:
            return row.answer, ""
        if row is not None and row.lease_token is not None and row.lease_until < now and row.doubted != row.lease_until:
            # It may have slept with its lease: if it lives it prolongs it now, and nobody asks twice.
            until = now + DOUBT_S
            tx.texts.change(question, lease_until=until, doubted=until)
    token = services.store.claim("texts", question, owner=services.owner, now=now, seconds=LEASE_S)
    if token is None:
        raise Busy(f"{question} is being asked", marketer=_ASKING, retry_after=PAUSE_S)
    return None, token
