"""`flask video make`: from a master prompt to a file, in this process, without Airtable, web or worker."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines.domain.footage import Preview
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import show as money
from pipelines.domain.money import to_micro
from pipelines.domain.records import Run
from pipelines.stages.decisions import control
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.scheduler import steps
from pipelines.stages.views import run_view
from webapp.api.orders import MasterPromptOrder
from webapp.bodies import validated
from webapp.commands.output import ACTOR, OPERATORS, Group, as_json, reports_errors, show
from webapp.context import services
from webapp.errors import HttpProblem

group = Group("video", OPERATORS, help="Make a film right here.")


@group.command("make")
@click.argument("prompt")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("film.mp4"), show_default=True)
@click.option("--scenes", "scene_count", type=int, help="How many; 4, or as many as suit --film-seconds.")
@click.option("--film-seconds", type=float, help="Of the whole film, shared among its scenes.")
@click.option("--seconds", "clip_seconds", type=float, help="Of each clip; the model's default if not given.")
@click.option("--model", help="See: flask models list.")
@click.option("--aspect-ratio", default="16:9", show_default=True)
@click.option("--resolution", default="720p", show_default=True)
@click.option("--transition", default="Cut", show_default=True)
@click.option("--hooks", type=int, help="So many films that differ in their first scene; 1 if not given.")
@click.option(
    "--language", "languages", multiple=True, help="Of your texts, then each to translate into; may be given again."
)
@click.option("--captions", default="None", show_default=True)
@click.option("--voiceover", is_flag=True, help="A narrator speaks over each scene.")
@click.option("--voice", help="Who speaks, as provider/voice.")
@click.option("--music", help="Made here, free of rights: local/calm and its like; or the address of a sound file.")
@click.option("--ai-label", is_flag=True, help="Every picture says AI in a corner.")
@click.option("--poster-style", default="Frame", show_default=True, help="Frame, Title over it, or Designed.")
@click.option("--consistency", default="Words", show_default=True, help="Words, or Pictures of the cast.")
@click.option("--preview", default="Animatic", show_default=True, help="Animatic, or Draft: bought, and shown first.")
@click.option("--seed", type=int, help="The same request with the same seed gives the same picture, or nearly.")
@click.option("--negative-prompt", help="What should not be seen.")
@click.option("--title", help="Of the film.")
@click.option("--max-cost", "max_cost_usd", type=float, help="Refuse above this many dollars.")
@click.option("--adapt", is_flag=True, help="Fit what the model cannot do exactly.")
@click.option("--dry-run", is_flag=True, help="Print plan and quote, make nothing.")
@as_json
@reports_errors
def make(out: Path, *, prompt: str, dry_run: bool, json_: bool, **wishes: Any) -> None:
    """Make a film from PROMPT and copy it to --out."""
    core = services()
    request = StartRequest(source="rest", order=_order(prompt, wishes).order())
    if dry_run:
        _rehearse(core, request, json_=json_)
        return
    run_id = accept.start(core, request).run_id
    run = _drive(core, run_id, out, quiet=json_)
    document = run_view.run_view(core, run.id)
    if run.status is not RunStatus.DONE:
        raise click.ClickException(f"{run.status.value}: {run.error or run.detail} (flask runs show {run.id})")
    file = _copy(core, run.id, out)
    done = f"{file} — {document['verdict'] or document['sentence']} Spent {money(to_micro(document['cost_usd']))}."
    show({**document, "file": str(file)}, json_=json_, table=lambda: click.echo(done))


def _order(prompt: str, wishes: dict[str, Any]) -> MasterPromptOrder:
    given = {name: value for name, value in wishes.items() if value not in (None, ())}
    try:
        return validated(MasterPromptOrder, {"master_prompt": prompt, **given})
    except HttpProblem as problem:
        raise click.ClickException("\n".join(f"{p.field} {p.message}" for p in problem.problems)) from problem


def _rehearse(core: Services, request: StartRequest, *, json_: bool) -> None:
    found = accept.dry_run(core, request)
    document = {
        "ok": not found.problems,
        "quote_usd": None if found.quote_micro is None else found.quote_micro / 1_000_000,
        "plan": run_view.plan_view(found.plan) if found.plan else None,
        "problems": [{"field": p.field, "message": p.message} for p in found.problems],
    }
    lines = [f"{p.field}: {p.message}" for p in found.problems]
    if found.plan:
        lines += [f"{label}  {money(amount)}" for label, amount in found.plan.lines]
        lines.append(f"At most {money(found.plan.quote_micro)}")
    show(document, json_=json_, table=lambda: click.echo("\n".join(lines)))


def _drive(core: Services, run_id: str, out: Path, *, quiet: bool) -> Run:
    """Work until the run stops; Ctrl-C cancels it, so that nothing more is bought."""
    # Here, because the web process knows the commands too and prints nothing.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("Starting.", total=1.0)

        def changed(run: Run) -> None:
            share = run_view.run_view(core, run.id)["progress"]
            progress.update(task, description=run.detail or run.status.value, completed=share)

        return _until_stopped(core, run_id, out, changed)


def _until_stopped(core: Services, run_id: str, out: Path, changed: Callable[[Run], None]) -> Run:
    try:
        run = steps.drive(core, run_id, on_change=changed)
    except KeyboardInterrupt:
        control.cancel(core, run_id, ACTOR)
        raise click.ClickException(f"Cancelled. What is paid for is kept: flask runs retry {run_id}") from None
    if run.status is RunStatus.NEEDS_APPROVAL:
        quote = money(run.quote_micro or 0)
        if run.known_order.preview is Preview.DRAFT:
            click.echo(
                f"The drafts are in {_copy(core, run_id, out.with_stem(f'{out.stem}-drafts'), drafts=True)}.", err=True
            )
        click.confirm(f"This costs up to {quote}. Go on?", abort=True, err=True)
        control.approve(core, run_id, ACTOR)
        return steps.drive(core, run_id, on_change=changed)
    return run


def _copy(core: Services, run_id: str, out: Path, *, drafts: bool = False) -> Path:
    """The film of the first format, or its drafts; other formats beside it."""
    with core.store.read() as tx:
        cuts = [cut for cut in tx.cuts.find(run_id=run_id, order="created_at") if cut.key and cut.animatic is drafts]
    take = max(cut.take for cut in cuts)
    core.work.mkdir(parents=True, exist_ok=True)
    for number, cut in enumerate(cut for cut in cuts if cut.take == take):
        dest = (
            out
            if number == 0
            else out.with_stem("-".join(filter(None, (out.stem, cut.format.replace(":", "x"), cut.hook, cut.language))))
        )
        scratch = core.work / f"{cut.id}.mp4"
        core.media.fetch(cut.key or "", scratch)
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scratch, dest)
        scratch.unlink()
    return out
