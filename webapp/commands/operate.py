"""`flask ledger`, `storage`, `models`, `voices`, `stop`, `bases`: operating a deployment."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from pipelines.domain.errors import ReelgridError
from pipelines.domain.money import dollars
from pipelines.domain.money import show as money
from pipelines.domain.times import iso
from pipelines.ports import UsageGroup
from pipelines.stages.base_changes import webhook_push
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions import control
from pipelines.stages.files import orphans, usage
from pipelines.stages.files.usage import By
from pipelines.stages.scheduler import maintenance
from pipelines.stages.spending import audit, credit_book
from pipelines.stages.views import usage as usage_view
from webapp.api.answers import ModelView
from webapp.api.operate import COLUMNS, catalogue, stopped
from webapp.commands.output import ACTOR, OPERATORS, Group, Money, as_json, print_table, reports_errors, show
from webapp.context import services

STDIN = "-"
DAY = click.DateTime(["%Y-%m-%d"])

ledger_group = Group("ledger", OPERATORS, help="What was spent and what is set aside.", alone="audit")
storage_group = Group("storage", OPERATORS, help="Clips and films in storage.", alone="check")
models_group = Group("models", OPERATORS, help="The catalogue of models.", alone="list")
voices_group = Group("voices", OPERATORS, help="Who can speak over a film.", alone="list")
stop_group = Group(
    "stop", OPERATORS, help="The Stop switch: while it is on, nothing new is bought anywhere.", alone="status"
)
bases_group = Group("bases", OPERATORS, help="Connected Airtable bases.", alone="list")


@ledger_group.command("show")
@click.option("--by", multiple=True, type=click.Choice(list(COLUMNS)), help="May be given several times; day if not.")
@click.option("--since", type=DAY, metavar="DAY", help="From this UTC day on, e.g. 2026-11-01.")
@click.option("--until", type=DAY, metavar="DAY", help="Up to this UTC day.")
@as_json
@reports_errors
def ledger_show(by: tuple[str, ...], since: datetime | None, until: datetime | None, *, json_: bool) -> None:
    """Spend by day, model, record, key, base, account or project; what providers say they billed, and how far off."""
    names = by or ("day",)
    bounds = [day.strftime("%Y-%m-%d") if day else None for day in (since, until)]
    found = usage_view.usage(services(), [COLUMNS[name] for name in names], *bounds)
    rows = [[group.group[COLUMNS[name]] for name in names] + _figures(group) for group in found.groups]
    columns = (*names, "spent", "seconds", "generations", "billed", "variance")
    show(
        {
            "rows": usage_view.rows(found, {}),
            "spent_today_usd": found.spent_today_usd,
            "day_cap_usd": found.day_cap_usd,
        },
        json_=json_,
        table=lambda: print_table(columns, rows, empty="Nothing was spent."),
    )


def _figures(group: UsageGroup) -> list[object]:
    billed, variance = dollars(group.billed_micro), dollars(group.variance_micro)
    told = [f"${billed:.4f}", f"${variance:+.4f}"] if group.listed_micro else ["", ""]
    return [f"${dollars(group.spent_micro):.4f}", f"{group.seconds:g}", group.generations, *told]


@ledger_group.command("audit")
@click.option("--all", "everything", is_flag=True, help="Go through the whole history, not only what is new.")
@as_json
@reports_errors
def ledger_audit(*, json_: bool, everything: bool = False) -> None:
    """Check that both books balance, of what was spent and of credits, from where the last audit ended; exit code 1 if
    they do not.
    """
    core = services()
    with core.store.read() as tx:
        first = audit.audit(tx, everything=everything)
        second = credit_book.audit(tx, everything=everything)
    with core.store.write() as tx:
        audit.keep_checkpoint(tx, first)
        audit.keep_checkpoint(tx, second)
    problems = [*first.problems, *(f"credits: {problem}" for problem in second.problems)]
    found = {
        "balanced": not problems,
        "since": iso(first.since or None),
        "problems": problems,
        "accounts_usd": {name: dollars(amount) for name, amount in first.sums.items()},
    }
    show(found, json_=json_, table=lambda: _print_audit(found))
    if problems:
        raise SystemExit(1)


def _print_audit(found: dict[str, Any]) -> None:
    print_table(("account", "dollars"), found["accounts_usd"].items())
    if found["since"]:
        click.echo(f"\nGone through since {found['since']}; --all goes through everything.")
    click.echo("\nThe books balance." if found["balanced"] else "\n" + "\n".join(found["problems"]))


@storage_group.command("check")
@as_json
@reports_errors
def storage_check(*, json_: bool) -> None:
    """A round trip with a tiny file, and whether every file we know is there; exit code 1 if not."""
    core = services()
    core.media.check()
    count, missing = orphans.check(core)
    found = {"ok": not missing, "files": count, "missing": missing}
    text = f"{count} files, {len(missing)} missing."
    show(found, json_=json_, table=lambda: click.echo("\n".join([text, *missing])))
    if missing:
        raise SystemExit(1)


@storage_group.command("sweep")
@as_json
@reports_errors
def storage_sweep(*, json_: bool) -> None:
    """Delete what has outlived KEEP_CLIPS_DAYS and KEEP_CUTS_DAYS, as the worker does every hour."""
    deleted = maintenance.clean_up(services())
    show({"deleted": deleted}, json_=json_, table=lambda: click.echo(f"{deleted} files were deleted."))


@storage_group.command("usage")
@click.option("--by", multiple=True, type=click.Choice(["kind", "account", "base", "key"]), help="kind if not given.")
@as_json
@reports_errors
def storage_usage(by: tuple[By, ...], *, json_: bool) -> None:
    """How much is stored, by kind of file, account, base or key."""
    core, names = services(), by or ("kind",)
    with core.store.read() as tx:
        groups, total = usage.usage(tx, names), usage.stored_bytes(tx)
    limit = core.policy.storage_limit_bytes
    rows = [{**dict(zip(names, use.group, strict=True)), "files": use.files, "bytes": use.size} for use in groups]
    month = usage.month_micro(core, total)
    found = {"bytes": total, "limit_bytes": limit, "warning": usage.warning(core), "rows": rows}
    found |= {} if month is None else {"month_usd": dollars(month)}
    columns = (*names, "files", "size", *([] if month is None else ["a month"]))
    shown = [[*use.group, use.files, _size(use.size), *_month(use.size)] for use in groups]
    show(found, json_=json_, table=lambda: print_table(columns, shown, empty="Nothing is stored."))
    if month is not None and not json_:
        click.echo(f"A month of all of it costs {money(month)}.")
    if found["warning"] and not json_:
        click.echo(found["warning"], err=True)


def _month(size: float) -> list[str]:
    """What that costs a month, where its price is known."""
    cost = usage.month_micro(services(), size)
    return [] if cost is None else [money(cost)]


def _size(size: float) -> str:
    return f"{size / usage.GIB:,.2f} GB" if size >= usage.GIB / 10 else f"{size / 1024**2:,.1f} MB"


@storage_group.command("orphans")
@click.option("--delete", is_flag=True, help="Delete the objects that nothing refers to, and rows of what is gone.")
@as_json
@reports_errors
def storage_orphans(*, delete: bool, json_: bool) -> None:
    """Objects without rows, rows without objects, and objects that nothing refers to any more.

    An object may get its row for a day, and longer while a run is not over; until then it is never touched.
    """
    core = services()
    found = orphans.find(core)
    groups = {"unknown": found.unknown, "unused": found.unused, "strange": found.strange}
    told: dict[str, Any] = {name: [stored.key for stored in group] for name, group in groups.items()}
    told |= {"missing": found.missing, "young": found.young, "deleted": orphans.delete(core, found) if delete else 0}
    lines = [f"{len(keys)} {text}" for name, text in _ORPHANS.items() if (keys := told[name])]
    lines += [f"  {key}" for name in _ORPHANS for key in told[name]]
    end = f"{told['deleted']} were deleted." if delete else "Nothing was deleted; --delete does."
    said = [*lines, end] if lines else ["Everything belongs together."]
    show(told, json_=json_, table=lambda: click.echo("\n".join(said)))


_ORPHANS = {
    "unknown": "in storage, without a row",
    "unused": "in storage, but nothing refers to them",
    "missing": "known, but not in storage",
    "strange": "of somebody else; never deleted",
}


@models_group.command("list")
@as_json
@reports_errors
def models_list(*, json_: bool) -> None:
    """Every model: whether it is set up, what it can do and costs, when it ends."""
    found = catalogue()
    rows = [
        [
            model.id,
            "default" if model.default else "yes" if model.configured else "no key",
            _price(model),
            ", ".join(f"{s:g}" for s in model.durations_s) or f"{model.min_seconds:g}–{model.max_seconds:g}",
            " ".join(model.aspect_ratios),
            model.price_date or "",
            model.warning or "",
        ]
        for model in found.models
    ]
    columns = ("model", "set up", "estimated price", "seconds", "aspect ratios", "priced on", "")
    show(found.model_dump(), json_=json_, table=lambda: print_table(columns, rows))


@voices_group.command("list")
@as_json
@reports_errors
def voices_list(*, json_: bool) -> None:
    """Every voice that is listed: whether it can be had today, about what a minute of it costs, and its languages."""
    core = services()
    found = core.speech.known(core.today)
    rows = [
        [
            voice.name,
            "no" if voice.silent else "default" if voice.name == core.speech.default_voice else "yes",
            money(voice.minute_micro) if voice.minute_micro else "" if voice.silent else "free",
            voice.languages,
            voice.model,
            voice.silent or "",
        ]
        for voice in found
    ]
    columns = ("voice", "can speak", "a minute", "languages", "model", "")
    listed = [{**asdict(voice), "minute_usd": dollars(voice.minute_micro)} for voice in found]
    for voice in listed:
        del voice["minute_micro"]
    show({"voices": listed}, json_=json_, table=lambda: print_table(columns, rows))


@models_group.command("offered")
@click.argument("provider")
@as_json
@reports_errors
def models_offered(provider: str, *, json_: bool) -> None:
    """Print what PROVIDER itself lists today as a file for CATALOGUE: look it over before you use it."""
    text = services().providers.get(provider).offered()
    if not text:
        raise click.ClickException(f"{provider} has no list of its models that could be read.")
    show({"provider": provider, "catalogue": text}, json_=json_, table=lambda: click.echo(text, nl=False))


def _price(model: ModelView) -> str:
    """What a second costs by resolution, and what each clip costs on top."""
    if model.free:
        return "free"
    extra = model.price_usd_per_clip
    parts = [
        f"{name} ${price:g}/s" + (f" + ${extra[name]:g}" if name in extra else "")
        for name, price in model.price_usd_per_second.items()
    ]
    return ", ".join(parts) or "none, so not offered"


def _turn(*, on: bool, reason: str, json_: bool) -> None:
    control.set_stop(services(), on=on, reason=reason, actor=ACTOR)
    text = "Nothing new is bought from now on." if on else "Spending goes on."
    show(stopped().model_dump(), json_=json_, table=lambda: click.echo(text))


@stop_group.command("on")
@click.option("--reason", default="", help="Shown to everybody who waits.")
@as_json
@reports_errors
def stop_on(reason: str, *, json_: bool) -> None:
    """Stop all new spending; runs wait where they are."""
    _turn(on=True, reason=reason, json_=json_)


@stop_group.command("off")
@as_json
@reports_errors
def stop_off(*, json_: bool) -> None:
    """Lift the switch; waiting runs go on."""
    _turn(on=False, reason="", json_=json_)


@stop_group.command("status")
@as_json
@reports_errors
def stop_status(*, json_: bool) -> None:
    """Whether the switch is on, since when and why."""
    state = stopped()
    text = f"Stopped since {state.at}. {state.reason}" if state.on else "Spending is allowed."
    show(state.model_dump(), json_=json_, table=lambda: click.echo(text))


@bases_group.command("add")
@click.argument("base_id")
@click.option("--token", help="A token of its own, kept encrypted; - reads it from standard input.")
@click.option("--name", default="", help="What you call the base.")
@click.option("--account", "account_id", help="Whose base it is (acc_…, or - for yours); as it was if not given.")
@click.option("--day-budget", type=Money(), help="What this base may spend a day, in dollars.")
@as_json
@reports_errors
def bases_add(
    base_id: str, token: str | None, name: str, account_id: str | None, day_budget: int | None, *, json_: bool
) -> None:
    """Connect a base, or change its token, name, owner or budget. With another owner its runs get that owner, too."""
    secret = sys.stdin.readline().strip() if token == STDIN else token
    base = services().base_tools.bases.connect(base_id, token=secret, name=name, day_cap_micro=day_budget)
    if account_id is not None:
        accounts.give_base(services(), base_id, None if account_id == STDIN else account_id)
    text = f"{base_id} is connected. Next: flask airtable setup --base {base_id}"
    show({"base_id": base.id, "name": base.name}, json_=json_, table=lambda: click.echo(text))


@bases_group.command("list")
@as_json
@reports_errors
def bases_list(*, json_: bool) -> None:
    """The connected bases, without their tokens."""
    found = [
        {
            "base_id": base.id,
            "name": base.name,
            "account_id": base.account_id,
            "own_token": bool(base.sealed_token),
            "day_budget_usd": None if base.day_cap_micro is None else dollars(base.day_cap_micro),
            "push": base.state.webhook is not None,
        }
        for base in services().base_tools.bases.all()
    ]
    columns = ("base_id", "name", "account_id", "own_token", "day_budget_usd", "push")
    rows = [[base[column] for column in columns] for base in found]
    show(found, json_=json_, table=lambda: print_table(columns, rows, empty="No base is connected."))


@bases_group.command("remove")
@click.argument("base_id")
@as_json
@reports_errors
def bases_remove(base_id: str, *, json_: bool) -> None:
    """Forget a base and its token; its runs stay."""
    try:
        webhook_push.turn_off(services(), base_id)
    except ReelgridError as error:
        click.echo(f"The webhook stays at Airtable until it expires: {error.operator}", err=True)
    if not services().base_tools.bases.disconnect(base_id):
        raise click.ClickException(f"{base_id} is not connected.")
    show({"base_id": base_id, "removed": True}, json_=json_, table=lambda: click.echo(f"{base_id} is forgotten."))


GROUPS = (ledger_group, storage_group, models_group, voices_group, stop_group, bases_group)
