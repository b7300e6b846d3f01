"""`flask doctor`: everything a deployment needs, each with one line on how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import with_appcontext

from pipelines.bootstrap import Lettering, lettering
from pipelines.domain.errors import ReelgridError
from pipelines.domain.orders.checks import usable
from pipelines.stages.commerce import top_ups
from pipelines.stages.files import usage
from pipelines.stages.kernel.services import Services
from webapp.access.rules import attach
from webapp.api.notices import reseal
from webapp.commands.airtable import checks_of
from webapp.commands.checkup import live_purchase
from webapp.commands.output import OPERATORS, as_json, checks_table, failed, reports_errors, show
from webapp.context import services, settings

Finding = dict[str, Any]
UNMATCHED_S = 60 * 86_400.0
"""So long doctor reminds of a payment without an account."""


@click.command("doctor", help="Check settings, services, providers, storage, webhooks and bases.")
@click.option("--live", is_flag=True, help="Then buy the cheapest clip there is, to see that buying works; asks first.")
@click.option("--model", help="With --live: of this model instead. See: flask models list.")
@click.option("--yes", is_flag=True, help="With --live: buy without asking.")
@as_json
@with_appcontext
@attach(OPERATORS)
@reports_errors
def command(*, live: bool, model: str | None, yes: bool, json_: bool) -> None:
    """Exit code 1 if something that is needed does not work, a live purchase included."""
    if not live and (model or yes):
        raise click.UsageError("--model and --yes belong to --live.")
    checks = list(all_checks(services()))
    show_from = 0
    if live:
        if not json_:
            checks_table(checks)
        show_from, checks = len(checks), [*checks, _live(checks, model, yes=yes)]
    show(checks, json_=json_, table=lambda: checks_table(checks[show_from:]))
    if failed(checks):
        raise SystemExit(1)


def _live(checks: list[Finding], model: str | None, *, yes: bool) -> Finding:
    """A purchase tries what should work; what does not is mended first, for nothing."""
    broken = [check["name"] for check in checks if failed([check])]
    if broken:
        return finding(live_purchase.NAME, f"nothing was bought: first mend {', '.join(broken)}", ok=False)
    return live_purchase.bought(services(), model=model, yes=yes)


def all_checks(core: Services) -> Iterator[Finding]:
    """Every finding; each check stands alone, so that one outage hides no other."""
    yield finding("settings", f"read; this deployment is {core.policy.public_url}")
    yield _tried("database", core.store.check, "answers", "Is DATABASE_URL right, and the server up?")
    yield _tried("storage", core.media.check, "takes and returns a file", "Look at STORAGE_URL and AWS_*.")
    room = usage.warning(core)
    if room:
        fix = "Lower KEEP_CLIPS_DAYS or KEEP_CUTS_DAYS, look at flask storage orphans, or raise STORAGE_LIMIT_GB."
        yield finding("room in storage", room, ok=False, fix=fix, warning=True)
    cost = usage.month_sentence(core)
    if cost:
        yield finding("cost of storage", cost)
    fix = "Start the worker (the embedded broker comes with it), or look at REDIS_URL."
    yield _tried("broker", core.hints.check, "answers", fix, warning=True)
    yield _workers(core)
    fix = "Look at OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL."
    yield _tried("scene writer", core.writer.check, "answers", fix)
    fix = (
        "Look at SPEECH_VOICE; where onnxruntime has no wheel the built-in voice cannot be had, and without espeak-ng "
        "local/espeak cannot: then nothing is spoken."
    )
    yield _tried("voiceover", lambda: core.speech.check(core.today), "answers", fix, warning=True)
    if core.signer is not None:
        fix = "Look at C2PA_CERTIFICATE and C2PA_PRIVATE_KEY; until then films are delivered unsigned."
        yield _tried("signing", core.signer.check, "can sign", fix, warning=True)
    if core.pictures.model:
        fix = "Look at PICTURE_MODEL and its provider's key; until then films are made without pictures of their own."
        yield _tried("pictures", lambda: core.pictures.check(core.today), "is set up", fix, warning=True)
    yield from _models(core)
    yield from _webhooks()
    yield from _sealed(core)
    yield from _payments(core)
    yield from captions(lettering())
    for base in core.base_tools.bases.all():
        yield from _base(base.id)


def finding(name: str, sentence: str, *, ok: bool = True, fix: str = "", warning: bool = False) -> Finding:
    """One line of the report."""
    return {"name": name, "ok": ok, "sentence": sentence, "fix": fix, "warning": warning}


def _tried(name: str, check: Callable[[], object], good: str, fix: str, *, warning: bool = False) -> Finding:
    try:
        told_back = check()
    except ReelgridError as error:
        return finding(name, error.operator, ok=False, fix=fix, warning=warning)
    return finding(name, told_back if isinstance(told_back, str) else good)


def _workers(core: Services) -> Finding:
    now, fix = core.clock.now(), "Start it: python -m worker"
    with core.store.read() as tx:
        processes = tx.processes.find()
    kinds = [process.kind for process in processes if process.is_alive(now)]
    if "pump" not in kinds:
        last = max((process.beat_at for process in processes), default=0.0)
        ago = f"; the last one was heard of {now - last:,.0f} s ago" if last else ""
        return finding("worker", f"none is running{ago}", ok=False, fix=fix, warning=True)
    return finding("worker", f"{len(kinds)} processes: {', '.join(sorted(kinds))}")


def _models(core: Services) -> Iterator[Finding]:
    default = core.policy.default_model
    yield from _chosen(core, "VIDEO_MODEL", default)
    for model in core.policy.fallback_models:
        yield from _chosen(core, "FALLBACK_MODELS", model, warning=True)
    for name in sorted({card.provider for card in core.catalogue.values()}):
        if core.providers.configured(name):
            fix = "Look at the provider's key and address."
            check = core.providers.get(name).check
            yield _tried(f"provider {name}", check, "answers", fix, warning=not default.startswith(f"{name}/"))
    if core.policy.animatic_by_default:
        sentence = "a provider's key is set, but VIDEO_MODEL is not: rows get a free animatic"
        yield finding("model", sentence, ok=False, fix="Set VIDEO_MODEL to a model of flask models list.", warning=True)


def _chosen(core: Services, setting: str, model: str, *, warning: bool = False) -> Iterator[Finding]:
    """A model that a setting names: whether it is known, set up, and how long it will be there."""
    name, card = f"model {model}", core.catalogue.get(model)
    if card is None:
        sentence = f"{setting} names {model}, which is not in the catalogue"
        yield finding(name, sentence, ok=False, fix="Choose one of flask models list.", warning=warning)
        return
    today = datetime.fromtimestamp(core.clock.now(), UTC).date()
    verdict = usable(card, today=today, origins=dict(core.policy.model_origins))
    if verdict.refusal or verdict.warning:
        sentence = verdict.refusal or verdict.warning or ""
        yield finding(name, sentence, ok=False, fix=f"Change {setting}.", warning=warning or not verdict.refusal)
    elif not core.providers.configured(card.provider):
        fix = f"Set the key of {card.provider}, or change {setting}."
        yield _tried(name, lambda: core.providers.get(card.provider).name, "", fix, warning=warning)


def _webhooks() -> Iterator[Finding]:
    """A provider that is set up calls back faster than we poll, if we can believe it."""
    if not settings().loopback:
        for name in services().providers.unsigned():
            sentence = f"{name} is not set: its callbacks are not verified, or refused; we poll"
            yield finding("webhooks", sentence, ok=False, fix=f"Set {name}.", warning=True)


def _sealed(core: Services) -> Iterator[Finding]:
    """Secrets in the database that hang on a SECRET_KEY of before, or on one that is lost."""
    try:
        bases, webhooks = core.base_tools.bases.sealed_before(), reseal.sealed_before()
    except ReelgridError as error:
        fix = (
            "Put the former key into SECRET_KEY_FALLBACKS, or connect the base again: flask bases add BASE_ID --token -"
        )
        yield finding("sealed secrets", error.operator, ok=False, fix=fix)
        return
    if bases or webhooks:
        named = [*bases, *([f"webhooks ({webhooks})"] if webhooks else [])]
        sentence = f"what is kept of {', '.join(named)} opens only with a former SECRET_KEY"
        yield finding("sealed secrets", sentence, ok=False, fix="flask db reseal", warning=True)


def _payments(core: Services) -> Iterator[Finding]:
    """Money that came in and that nobody was given credits for."""
    with core.store.read() as tx:
        found = top_ups.unmatched(tx, core.clock.now() - UNMATCHED_S)
    for sentence in found:
        fix = "flask credits grant ACCOUNT CREDITS --source stripe:SESSION, or pay it back at Stripe."
        yield finding("payment", sentence, ok=False, fix=fix, warning=True)
    if (settings().stripe_payment_link is None) != (settings().stripe_webhook_secret is None):
        sentence = "only one of STRIPE_PAYMENT_LINK and STRIPE_WEBHOOK_SECRET is set: nobody gets credits for a payment"
        yield finding("payments", sentence, ok=False, fix="Set both, or neither.", warning=True)


_PACKAGES = {"CJK": "fonts-noto-cjk", "Emoji": "fonts-noto-color-emoji"}
_OTHER_LETTERS, _SHAPING = "fonts-noto-core", "libfribidi0"
"""Debian's names, for what is not in `_PACKAGES`, and for letters that join or reorder."""


def captions(here: Lettering) -> Iterator[Finding]:
    """Which scripts a burned caption or a card may be in, and the Debian packages that mend a missing one."""
    missing = [script for script, there in here.scripts.items() if not there]
    there = [script for script in here.scripts if script not in missing]
    yield finding("captions", f"this machine can set {', '.join(there)}")
    for script in missing:
        packages = _PACKAGES.get(script, _OTHER_LETTERS) + ("" if here.shaping else f" {_SHAPING}")
        sentence = "cannot be set in cards and burned captions on this machine"
        yield finding(f"captions in {script}", sentence, ok=False, fix=f"apt-get install {packages}", warning=True)


def _base(base_id: str) -> Iterator[Finding]:
    try:
        found = checks_of(base_id)
    except ReelgridError as error:
        yield finding(f"airtable {base_id}", error.operator, ok=False, fix=f"flask airtable doctor --base {base_id}")
        return
    for check in found:
        yield {**check, "name": f"airtable {base_id} {check['name']}"}
