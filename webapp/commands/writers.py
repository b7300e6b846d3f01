"""`flask writers`: whether another wording of the scene writer's prompt file is a better one."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from pipelines.bootstrap import make_prompt_evals
from pipelines.domain.errors import ReelgridError
from pipelines.domain.money import show as money
from webapp.commands.output import OPERATORS, Group, as_json, print_table, reports_errors, show
from webapp.context import settings

group = Group("writers", OPERATORS, help="Compare wordings of the scene writer's prompt.", alone="eval")
in_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Where recorded answers are; those that ship with Reelgrid if not given.",
)
SHOWN = 3
"""Failing briefs named in a line of the table; `--json` names all."""


@group.command("eval")
@click.argument("new", required=False)
@click.option("--against", "old", help="The wording to be no worse than; the one in use if not given.")
@in_folder
@as_json
@reports_errors
def evaluate(new: str | None, old: str | None, folder: Path | None, *, json_: bool) -> None:
    """Score the recorded answers of the prompt file NEW, by default of each in use, against those of another: asks
    nobody and costs nothing. Ends with 1 when one misses a bound or is worse in any check.
    """
    evals = make_prompt_evals(settings(), folder)
    wordings = [new] if new else [evals.in_use_beside(old)] if old else evals.in_use
    tables = [evals.compare(old or evals.in_use_beside(one), one) for one in wordings]
    documents = [{**dataclasses.asdict(found), "ok": found.ok} for found in tables]

    def print_all() -> None:
        for found in tables:
            columns = ("check", found.old, found.new, "least", "", "falls short on")
            print_table(columns, [_line(*dataclasses.astuple(row), ok=row.ok) for row in found.rows])
            click.echo(f"{found.briefs} briefs. Answers: {found.old} {found.old_by}; {found.new} {found.new_by}.")

    show(documents if len(documents) > 1 else documents[0], json_=json_, table=print_all)
    sys.exit(0 if all(found.ok for found in tables) else 1)


def _line(
    check: str, old: float, new: float, least: float, failing: tuple[str, ...], *, ok: bool
) -> tuple[str, str, str, str, str, str]:
    verdict = "ok" if ok else "WORSE" if new < old else "BELOW"
    more = f" and {len(failing) - SHOWN} more" if failing[SHOWN:] else ""
    return check, f"{old:.2f}", f"{new:.2f}", f"{least:.2f}", verdict, ", ".join(failing[:SHOWN]) + more


@group.command("record")
@click.argument("prompt")
@click.option("--yes", is_flag=True, help="Do not ask whether to spend.")
@in_folder
@reports_errors
def record(prompt: str, folder: Path | None, *, yes: bool) -> None:
    """Have the language model answer every brief under the prompt file PROMPT, and keep its answers. Says first what
    that costs at most; what was answered before is not asked again.
    """
    evals = make_prompt_evals(settings(), folder)
    count, most = evals.missing(prompt), evals.quote_micro(prompt)
    click.echo(f"{count} answers of {settings().openai_model}, at most {money(most)}.")
    if not count:
        return
    if not yes:
        click.confirm("Ask for them now?", abort=True)
    try:
        spent = evals.record(prompt, told=click.echo)
    except ReelgridError as error:
        click.echo(f"Stopped; spent until then: {money(error.cost_micro)}. The answers that came are kept.")
        raise
    click.echo(f"Spent {money(spent)}.")
