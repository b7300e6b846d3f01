"""`flask video make`: from a master prompt to a file, in this process, without Airtable, web or worker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask import g

from pipelines.domain.footage import Preview
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import show as money
from pipelines.domain.money import to_micro
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Run
from pipelines.stages.decisions import control
from pipelines.stages.delivery import pack as packs
from pipelines.stages.films.cuts import films_of
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.scheduler import steps
from pipelines.stages.views import run_view
from webapp.access.auth import ALL
from webapp.api.orders import MasterPromptOrder
from webapp.bodies import validated
from webapp.commands.order_options import order_options
from webapp.commands.output import ACTOR, OPERATORS, Group, as_json, reports_errors, show
from webapp.context import Actor, services
from webapp.errors import HttpProblem
from webapp.pages.pack import pack_file, stored_zip

group = Group("video", OPERATORS, help="Make a film right here.")


@group.command("make")
@click.argument("prompt")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("film.mp4"), show_default=True)
@order_options
@click.option("--brand", help="A row of Brands, as rec…, or a JSON file that says what a row of it would.")
@click.option("--adapt", is_flag=True, help="Fit what the model cannot do exactly.")
@click.option("--fresh", is_flag=True, help="Buy every clip anew, also those that were paid for before.")
@click.option("--ask-first", is_flag=True, help="Show the price of the written scenes, and ask, before any clip.")
@click.option("--dry-run", is_flag=True, help="Print plan and quote, make nothing.")
@as_json
@reports_errors
def make(out: Path, *, prompt: str, brand: str | None, dry_run: bool, json_: bool, **wishes: Any) -> None:
    """Make a film from PROMPT and copy it to --out; films in other shapes and languages, and a pack, beside it."""
    core = services()
    request = StartRequest(source="rest", order=_order(prompt, brand, wishes))
    if dry_run:
        _rehearse(core, request, json_=json_)
        return
    run_id = accept.start(core, request).run_id
    run = _drive(core, run_id, out, quiet=json_)
    if run.status is not RunStatus.DONE:
        raise click.ClickException(f"{run.status.value}: {run.error or run.detail} (flask runs show {run.id})")
    file, pack = _copy(core, run, out), _pack(core, run, out) if run.known_order.pack else None
    document = run_view.run_view(core, run.id)
    done = f"{file} — {document['verdict'] or document['sentence']} Spent {money(to_micro(document['cost_usd']))}."
    told = {**document, "file": str(file), **({"pack": str(pack)} if pack else {})}
    show(told, json_=json_, table=lambda: click.echo(f"{done} {pack} is the pack." if pack else done))


def _order(prompt: str, brand: str | None, wishes: dict[str, Any]) -> Order:
    given = {name: value for name, value in wishes.items() if value not in (None, ())}
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    if brand is not None:
        given["brand"] = _brand(brand) if brand.endswith(".json") else brand
    # Whoever has a shell here is the operator: it is looked up which bases that may read.
    g.actor = Actor(ACTOR, ALL)
    try:
        return validated(MasterPromptOrder, {"master_prompt": prompt, **given}).order()
    except HttpProblem as problem:
        raise click.ClickException("\n".join(f"{p.field} {p.message}" for p in problem.problems)) from problem


def _brand(path: str) -> object:
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"brand {path} is no JSON file that can be read: {error}.") from error


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
                f"The drafts are in {_copy(core, run, out.with_stem(f'{out.stem}-drafts'), drafts=True)}.", err=True
            )
        click.confirm(f"This costs up to {quote}. Go on?", abort=True, err=True)
        control.approve(core, run_id, ACTOR)
        return steps.drive(core, run_id, on_change=changed)
    return run


def _pack(core: Services, run: Run, out: Path) -> Path:
    """The run's pack, as its link gives it, beside the film."""
    steps.finish(core, run.id)
    with core.store.read() as tx:
        pack = packs.pack_of(tx, run)
    if pack is None or not pack.entries:
        raise click.ClickException(f"The film is at {out}; its pack could not be made (flask runs show {run.id}).")
    dest, archive = out.with_name(f"{out.stem}-pack.zip"), pack_file.archive_of(pack)
    with dest.open("wb") as file:
        file.writelines(pack_file.read(core.media, pack, archive, 0, stored_zip.size_of(archive)))
    return dest


def _copy(core: Services, run: Run, out: Path, *, drafts: bool = False) -> Path:
    """The film in its own shape and language, or its drafts; other films beside it."""
    with core.store.read() as tx:
        cuts = tx.cuts.find(run_id=run.id, animatic=True) if drafts else films_of(tx, run)
    core.work.mkdir(parents=True, exist_ok=True)
    for number, cut in enumerate(cuts):
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
