"""The operator's side: the Stop switch, spend, and the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from flask import g

from pipelines.domain.catalogue import CatalogueModel
from pipelines.domain.errors import Problem
from pipelines.domain.limits import EVERYWHERE
from pipelines.domain.money import dollars
from pipelines.domain.orders.checks import usable
from pipelines.domain.planning.price_list import Start
from pipelines.domain.times import iso
from pipelines.stages.decisions import control
from pipelines.stages.views import usage as usage_view
from webapp.access.rules import Owner
from webapp.api import answers
from webapp.api.decisions import StopSwitch
from webapp.api.operations import Effect, Reply, Tool, operation
from webapp.api.queries import PageQuery, UsageQuery
from webapp.context import actor, services
from webapp.errors import HttpProblem

T = TypeVar("T")

COLUMNS = {
    "day": "day",
    "model": "model",
    "record": "record_id",
    "key": "key_id",
    "base": "base_id",
    "account": "account_id",
    "project": "project_id",
}
_SHOWN = {"key_id": "key", "project_id": "project"}


@operation(
    "POST",
    "/api/stop",
    summary="The Stop switch",
    owner=Owner.OPERATOR,
    scope="admin",
    tag="Operate",
    bodies=(StopSwitch,),
    answers={200: answers.Stopped},
    problems=(400, 401, 403, 413, 415, 422, 429),
)
def stop(body: StopSwitch) -> Reply:
    """While it is on, nothing new is bought anywhere; runs wait where they are and go on when it is lifted."""
    control.set_stop(services(), on=body.on, reason=body.reason, actor=actor().name, press=g.get("press"))
    return Reply(stopped())


@operation(
    "GET",
    "/api/stop",
    summary="Where the Stop switch is",
    owner=Owner.OPERATOR,
    scope="read",
    tag="Operate",
    answers={200: answers.Stopped},
    problems=(401, 403, 429),
)
def stop_state() -> Reply:
    """On or off, since when and why."""
    return Reply(stopped())


def stopped() -> answers.Stopped:
    """The Stop switch as the API shows it."""
    with services().store.read() as tx:
        switch = tx.stop_switches.get(EVERYWHERE)
    if switch is None:
        return answers.Stopped(on=False, reason="", at=None)
    return answers.Stopped(on=switch.on, reason=switch.reason, at=iso(switch.at))


@operation(
    "GET",
    "/api/usage",
    summary="Spend and seconds",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Operate",
    query=UsageQuery,
    answers={200: answers.Usage},
    problems=(401, 403, 422, 429),
)
def usage(query: UsageQuery) -> Reply:
    """Grouped by day (UTC), model, record, key, base, account or project, or several of them."""
    found = usage_of(names_in(query.by), query.since, query.until)
    found["rows"], found["next_cursor"] = page(found["rows"], query)
    return Reply(found)


def names_in(by: str) -> list[str]:
    """What to group by. Raises 422."""
    names = [name.strip() for name in by.split(",") if name.strip()]
    if not names or any(name not in COLUMNS for name in names) or len(set(names)) < len(names):
        problem = Problem("by", f"must be one or several of {', '.join(COLUMNS)}.")
        raise HttpProblem(422, f"by {problem.message}", (problem,))
    return names


def page(items: Sequence[T], query: PageQuery) -> tuple[list[T], str | None]:
    """The part of a list that is asked for, and the cursor of the next one."""
    start = int(query.cursor or 0)
    end = start + (query.limit or len(items))
    return list(items[start:end]), str(end) if end < len(items) else None


def usage_of(names: list[str], since: str | None, until: str | None) -> answers.Usage:
    """The answer of /api/usage, for the API and the pages."""
    found = usage_view.usage(services(), [COLUMNS[name] for name in names], since, until)
    rows = usage_view.rows(found, _SHOWN)
    total = round(sum(row["spent_usd"] for row in rows), 6)
    return answers.Usage(
        rows=rows,
        spent_today_usd=found.spent_today_usd,
        day_cap_usd=found.day_cap_usd,
        by=names,
        spent_usd=total,
    )


@operation(
    "GET",
    "/api/models",
    summary="The catalogue of models",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    query=PageQuery,
    answers={200: answers.ModelList},
    problems=(401, 403, 422, 429),
    tool=Tool("list_models", Effect.READS),
)
def models(query: PageQuery) -> Reply:
    """What each model can do and costs, whether it is set up here, and when it ends."""
    every = catalogue()
    some, next_cursor = page(every.models, query)
    return Reply(every.model_copy(update={"models": some, "next_cursor": next_cursor}))


def catalogue() -> answers.ModelList:
    """Every model as the API shows it."""
    core = services()
    today = datetime.fromtimestamp(core.clock.now(), UTC).date()
    cards = [_model(card, today) for card in core.catalogue.values()]
    return answers.ModelList(default=core.policy.default_model, models=cards)


def _model(card: CatalogueModel, today: date) -> answers.ModelView:
    core = services()
    verdict = usable(card, today=today, origins=dict(core.policy.model_origins))
    offers = card.offers
    charged = _charged(card)
    return answers.ModelView(
        id=card.id,
        label=card.label,
        configured=core.providers.configured(card.provider),
        default=card.id == core.policy.default_model,
        durations_s=list(card.durations),
        min_seconds=min(card.durations, default=card.min_seconds),
        max_seconds=max(card.durations, default=card.max_seconds),
        step_seconds=None if card.durations else card.step_seconds,
        default_seconds=card.default_seconds,
        aspect_ratios=list(dict.fromkeys(offer.aspect_ratio for offer in offers)),
        resolutions=list(dict.fromkeys(offer.resolution for offer in offers)),
        sizes={f"{offer.aspect_ratio} {offer.resolution}": f"{offer.width}x{offer.height}" for offer in offers},
        fps=card.fps,
        audio=card.audio,
        image_to_video=card.image_to_video,
        first_last_frame=card.first_last_frame,
        last_frame_max_seconds=card.last_frame_max_seconds,
        max_references=card.max_references,
        frames_or_references=card.frames_or_references,
        seed=card.seed,
        negative_prompt=card.negative_prompt,
        max_prompt=card.max_prompt,
        price_usd_per_second={name: dollars(parts[0]) for name, parts in charged[Start.TEXT].items() if parts[0]},
        price_usd_per_clip={name: dollars(parts[1]) for name, parts in charged[Start.TEXT].items() if parts[1]},
        from_image_usd_per_second=_where_other(charged, 0),
        from_image_usd_per_clip=_where_other(charged, 1),
        price_date=card.price_date.isoformat() if card.price_date else None,
        free=card.free,
        typical_s=card.typical_s,
        maximum_s=card.maximum_s,
        max_in_flight=card.max_in_flight,
        creates_per_minute=card.creates_per_minute,
        ability=card.ability.value,
        retention_s=card.retention_s,
        sunset=card.sunset.isoformat() if card.sunset else None,
        successor=card.successor,
        warning=verdict.refusal or verdict.warning,
        # They speak of what a provider charges.
        notes=card.notes if core.store.account_id is None else "",
    )


_Parts = dict[str, tuple[int, int]]


def _charged(card: CatalogueModel) -> dict[Start, _Parts]:
    """What a second and a clip of each resolution cost whoever asks: a customer by the price list."""
    if services().store.account_id is None:
        cost = {name: (card.prices.get(name, 0), card.clip_prices.get(name, 0)) for name in card.prices}
        return dict.fromkeys(Start, cost)
    names = dict.fromkeys(offer.resolution for offer in card.offers)
    prices = services().prices
    return {start: {name: prices.per_second_and_clip(card, start, name) for name in names} for start in Start}


def _where_other(charged: dict[Start, _Parts], part: int) -> dict[str, float]:
    """Of clips that start from a picture, where that is charged otherwise."""
    images, texts = charged[Start.IMAGE], charged[Start.TEXT]
    return {name: dollars(parts[part]) for name, parts in images.items() if parts != texts[name] and parts[part]}
