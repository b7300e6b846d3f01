"""`flask runs`: look at runs and decide about them. `flask records`: what is kept of one row of Airtable."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import show as money
from pipelines.domain.money import to_micro
from pipelines.ports import RunFilter
from pipelines.stages.base_rows import run_row
from pipelines.stages.decisions import control, in_doubt
from pipelines.stages.delivery import restore
from pipelines.stages.files import revocations
from pipelines.stages.files.erase import erase
from pipelines.stages.files.revocations import Revoked
from pipelines.stages.search import indexing
from pipelines.stages.views import finding, run_list, run_view
from pipelines.stages.views.documents import RunView
from webapp.access.rules import attach
from webapp.api.fields import RECORD_ID
from webapp.commands.airtable import chosen
from webapp.commands.output import ACTOR, OPERATORS, Group, as_json, print_table, reports_errors, show
from webapp.context import services

group = Group(
    "runs", OPERATORS, help="Look at runs; retry, cancel, approve them; hand out and revoke links.", alone="list"
)
_STATUSES = [status.value for status in RunStatus]


@group.command("list")
@click.option("--record", help="Only runs of this Airtable record.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(_STATUSES), help="May be given several times.")
@click.option("--limit", default=20, type=click.IntRange(1, 200), show_default=True)
@as_json
@reports_errors
def list_(record: str | None, statuses: tuple[str, ...], limit: int, *, json_: bool) -> None:
    """The newest runs."""
    runs, _ = run_list.list_runs(services(), RunFilter(status=statuses or None), record=record, limit=limit)
    rows = [
        [
            run["run_id"],
            run["status"],
            f"{run['progress']:.0%}",
            _usd(run["cost_usd"]),
            _usd(run["quote_usd"]),
            run["title"],
        ]
        for run in runs
    ]
    columns = ("run", "status", "done", "spent", "quote", "title")
    show(runs, json_=json_, table=lambda: print_table(columns, rows, empty="No runs."))


@group.command("show")
@click.argument("run_id")
@as_json
@reports_errors
def show_(run_id: str, *, json_: bool) -> None:
    """Everything about a run."""
    run = run_view.run_view(services(), run_id)
    show(run, json_=json_, table=lambda: _print(run))


def _print(run: RunView) -> None:
    click.echo(f"{run['title']}\n{run['status']}, {run['progress']:.0%}: {run['sentence']}")
    click.echo(f"spent {_usd(run['cost_usd'])} of {_usd(run['quote_usd'])}\n{run['page_url']}\n")
    scenes = [[s["number"], s["status"], s["model"], s["error"] or s["prompt"][:60]] for s in run["scenes"]]
    print_table(("scene", "status", "model", ""), scenes, empty="No scenes yet.")
    for cut in run["cuts"]:
        click.echo(f"\n{cut['format']}: {cut['url']}")
    click.echo("")
    for event in run["events"]:
        click.echo(f"{event['at']}  {event['sentence']}")


def _usd(amount: float | None) -> str:
    return "?" if amount is None else money(to_micro(amount))


@group.command("retry")
@click.argument("run_id")
@as_json
@reports_errors
def retry(run_id: str, *, json_: bool) -> None:
    """Go on with a run that has stopped; what is paid for is kept."""
    control.retry(services(), run_id, ACTOR)
    _after(run_id, json_=json_)


@group.command("cancel")
@click.argument("run_id")
@as_json
@reports_errors
def cancel(run_id: str, *, json_: bool) -> None:
    """Stop what can be stopped."""
    control.cancel(services(), run_id, ACTOR)
    _after(run_id, json_=json_)


@group.command("approve")
@click.argument("run_id")
@as_json
@reports_errors
def approve(run_id: str, *, json_: bool) -> None:
    """Go on with a run that waits for approval."""
    control.approve(services(), run_id, ACTOR)
    _after(run_id, json_=json_)


@group.command("restore")
@click.argument("run_id")
@click.option("--take", type=click.IntRange(0), help="Of the film; the present one if not given, for its row.")
@click.option("--scene", type=click.IntRange(1), help="Choose an earlier clip of this scene instead, by --clip.")
@click.option("--clip", "clip_id", help="The clip's id.")
@click.option("--dry-run", is_flag=True, help="Only say whether it can be done.")
@as_json
@reports_errors
def restore_(
    run_id: str, *, take: int | None, scene: int | None, clip_id: str | None, dry_run: bool, json_: bool
) -> None:
    """Choose an earlier film, or an earlier clip of a scene, again; nothing is bought."""
    if (scene is None) != (clip_id is None) or (scene is not None and take is not None):
        raise click.UsageError("Name a take, or a scene and its clip.")
    if dry_run:
        found = (
            restore.preview(services(), run_id, take)
            if scene is None
            else restore.preview_choice(services(), run_id, scene, clip_id or "")
        )
        if found.problems:
            raise InvalidOrder(found.problems)
        price = money(found.price_micro)
        show({"price_usd": 0.0}, json_=json_, table=lambda: click.echo(f"It can be done, for {price}."))
        return
    if scene is None:
        restore.restore(services(), run_id, take, ACTOR)
    else:
        restore.choose(services(), run_id, scene, clip_id or "", ACTOR)
    _after(run_id, json_=json_)


@group.command("decide")
@click.argument("generation_id")
@click.argument("choice", type=click.Choice(in_doubt.CHOICES))
@as_json
@reports_errors
def decide(generation_id: str, choice: str, *, json_: bool) -> None:
    """Settle money in doubt: wait for it, write it off and buy again, or cancel the run."""
    run = in_doubt.decide(services(), generation_id, choice, ACTOR)
    _after(run.id, json_=json_)


@group.command("adopt")
@click.argument("generation_id")
@click.argument("job_id")
@as_json
@reports_errors
def adopt(generation_id: str, job_id: str, *, json_: bool) -> None:
    """Say which job at its provider a request in doubt became, as the provider's own pages show it: nothing is bought
    again.
    """
    run = in_doubt.name_job(services(), generation_id, job_id, ACTOR)
    _after(run.id, json_=json_)


def _after(run_id: str, *, json_: bool) -> None:
    run = run_view.run_view(services(), run_id)
    show(run, json_=json_, table=lambda: click.echo(f"{run_id} is {run['status']}: {run['sentence']}"))


@group.command("link")
@click.argument("subject")
@click.option("--base", "base_id", help="The record's base; the one in which it has runs if not given.")
@as_json
@reports_errors
def link(subject: str, base_id: str | None, *, json_: bool) -> None:
    """A signed link to the page of a run, or of a record (rec…)."""
    if RECORD_ID.fullmatch(subject):
        with services().store.read() as tx:
            url = run_row.signed_page(services(), tx, base_id or _base_of(subject), subject)
    else:
        url = services().links.page(run_id=_existing(subject))
    show({"url": url}, json_=json_, table=lambda: click.echo(url))


def _existing(run_id: str) -> str:
    """Raises NotFound."""
    run_view.mark(services(), run_id)
    return run_id


def _base_of(record_id: str) -> str:
    """Rows of a base that was duplicated have the same ids: which one is meant has to be said then."""
    with services().store.read() as tx:
        bases = {run.base_id for run in tx.runs.find(record_id=record_id) if run.base_id}
    if len(bases) > 1:
        raise click.ClickException(f"{record_id} has runs in {' and '.join(sorted(bases))}: name one with --base.")
    return chosen(next(iter(bases), None))


@group.command("revoke")
@click.argument("run_id")
@as_json
@reports_errors
def revoke(run_id: str, *, json_: bool) -> None:
    """Revoke the permanent links to a run's films: they answer 410 from now on."""
    core = services()
    _existing(run_id)
    with core.store.write() as tx:
        cuts = [cut.id for cut in tx.cuts.find(run_id=run_id, revoked_at=None)]
        for cut_id in cuts:
            tx.cuts.change(cut_id, revoked_at=core.clock.now())
    for cut_id in cuts:
        revocations.note(core, Revoked.FILM, cut_id, revoked_at=core.clock.now())
    show({"revoked": cuts}, json_=json_, table=lambda: click.echo(f"{len(cuts)} links are revoked."))


WARMING_UP = 10
"""A command loads the model anew, which takes longer than a search waits for it: so many are begun."""


@click.command("search")
@click.argument("words", nargs=-1)
@click.option("--limit", default=20, type=click.IntRange(1, 100), show_default=True)
@click.option("--reindex", is_flag=True, help="Go through the films of the last year again, for the search by meaning.")
@as_json
@with_appcontext
@attach(OPERATORS)
@reports_errors
def search(words: tuple[str, ...], limit: int, *, reindex: bool, json_: bool) -> None:
    """The newest runs that have all these words: in title, record id, prompts, captions or narrations. With
    SEARCH_EMBEDDINGS also those that are about it, the best first.
    """
    if reindex == bool(words):
        raise click.UsageError("Give either words or --reindex.")
    if reindex:
        _reindex(json_=json_)
        return
    page = finding.find(services(), " ".join(words), limit=limit)
    tries = 1
    while page.by == ("words",) and tries < WARMING_UP:
        page, tries = finding.find(services(), " ".join(words), limit=limit), tries + 1
    found = page.films
    if page.by == ("words",):
        click.echo("Found by words alone: the search by meaning is away for a moment.", err=True)
    rows = [
        [one["run"]["run_id"], one["run"]["status"], ", ".join(one["found_in"]), one["run"]["title"]] for one in found
    ]
    show(found, json_=json_, table=lambda: print_table(("run", "status", "found in", "title"), rows, empty="Nothing."))


def _reindex(*, json_: bool) -> None:
    if not indexing.start_over(services()):
        raise InvalidOrder([Problem("--reindex", "needs SEARCH_EMBEDDINGS: films are found by their words only.")])
    told = "The worker goes through the films of the last year again; what has not changed is not computed anew."
    show({"reindexing": True}, json_=json_, table=lambda: click.echo(told))


of_records = Group("records", OPERATORS, help="What is kept of a row of Airtable.")


@of_records.command("erase")
@click.argument("record_id")
@click.option("--base", metavar="BASE", help="Its base, if it is not the default one.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
@as_json
@reports_errors
def records_erase(record_id: str, base: str | None, *, dry_run: bool, json_: bool) -> None:
    """Erase what RECORD_ID ordered and all that was made of it: texts, pictures, clips and films. The books stay.

    Airtable's own copies, the vendors', logs and backups are not ours to erase: docs/how-to/erase.md.
    """
    core = services()
    base_id = base or core.policy.default_base
    if base_id is None:
        raise InvalidOrder([Problem("--base", "is needed: there is no default base.")])
    done = erase(core, base_id, record_id, dry_run=dry_run, actor=ACTOR)
    found = {
        "record_id": record_id,
        "dry_run": dry_run,
        "runs": list(done.runs),
        "rows": done.rows,
        "files": list(done.files),
        "kept": list(done.kept),
    }
    verb = "would be" if dry_run else "were"
    words = f"{len(done.runs)} runs, {done.rows} rows and {len(done.files)} files {verb} erased."
    kept = f" {len(done.kept)} files stay, because other runs use them." if done.kept else ""
    show(found, json_=json_, table=lambda: click.echo(words + kept))
