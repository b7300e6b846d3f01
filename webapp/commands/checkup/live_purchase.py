"""`flask doctor --live`: one clip bought for real, by the same hold and ledger as every order."""

from __future__ import annotations

from typing import Any

import click

from pipelines.domain.errors import ReelgridError
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import show_enough
from pipelines.domain.records import Run
from pipelines.stages.decisions import control
from pipelines.stages.decisions.cheapest_clip import cheapest_clip, must_be_affordable
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.scheduler import steps
from pipelines.stages.views import run_view
from webapp.commands.output import ACTOR

NAME = "live purchase"


def bought(core: Services, *, model: str | None, yes: bool) -> dict[str, Any]:
    """What was bought, or why nothing was, as a finding of the doctor; says the price and asks before."""
    try:
        order, plan = cheapest_clip(core, model)
        must_be_affordable(core, order, plan)
        (scene,) = plan.scenes
        what = f"{scene.buy_seconds:g} s of {scene.model}, {plan.width}x{plan.height}"
        click.echo(f"The cheapest clip here: {what}. It costs at most {show_enough(plan.quote_micro)}.", err=True)
        if not yes and not click.confirm("Buy it?", err=True):
            return _finding("nothing was bought: you said no")
        request = StartRequest(source="clip", order=order, fresh=True, at_most_micro=plan.quote_micro)
        started = accept.start(core, request)
    except ReelgridError as error:
        return _finding(f"nothing was bought. {error.marketer}")
    return _outcome(core, _made(core, started.run_id))


def _made(core: Services, run_id: str) -> Run:
    """Worked on here as well, so that it needs no worker; an approval was just given. Ctrl-C cancels it."""
    said: list[str] = []

    def tell(run: Run) -> None:
        sentence = run.detail or run.status.value
        if sentence not in said:
            click.echo(sentence, err=True)
            said.append(sentence)

    try:
        run = steps.drive(core, run_id, on_change=tell)
        if run.status is RunStatus.NEEDS_APPROVAL:
            control.approve(core, run_id, ACTOR)
            run = steps.drive(core, run_id, on_change=tell)
    except KeyboardInterrupt:
        control.cancel(core, run_id, ACTOR)
        raise click.ClickException(f"Cancelled. What it cost: flask runs show {run_id}") from None
    return run


def _outcome(core: Services, run: Run) -> dict[str, Any]:
    document = run_view.run_view(core, run.id)
    cost, took = f"${document['cost_usd']:.4f}", core.clock.now() - run.created_at
    if run.status is not RunStatus.DONE:
        why = run.error or run.detail or run.status.value
        return _finding(f"{run.id} is {run.status.value}, {cost} was spent. {why}", fix=f"flask runs show {run.id}")
    return _finding(f"{run.id} was made in {took:,.0f} s for {cost}: {document['cuts'][0]['url']}", ok=True)


def _finding(sentence: str, *, ok: bool = False, fix: str = "") -> dict[str, Any]:
    return {"name": NAME, "ok": ok, "sentence": sentence, "fix": fix, "warning": False}
