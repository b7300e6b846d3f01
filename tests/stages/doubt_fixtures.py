"""A world whose one paid model has a chosen way of settling a lost answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.domain.catalogue import Ability
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Event, Generation
from pipelines.stages.orders import accept
from pipelines.stages.spending import audit
from pipelines.testing import CATALOGUE
from tests.stages.stage_fixtures import StageHarness


def doubtful_world(folder: Path, ability: Ability, **overrides: Any) -> StageHarness:
    cards = dict(CATALOGUE)
    cards["acme/film"] = replace(cards["acme/film"], ability=ability, submit_timeout_s=60.0, list_grace_s=60.0)
    harness = StageHarness.build(folder, catalogue=cards, **overrides)
    harness.vendor().honours_keys = ability is Ability.KEY
    return harness


def order(harness: StageHarness, *prompts: str, max_cost_micro: int | None = None) -> str:
    """Start a run of these scenes over REST."""
    wishes = tuple(SceneOrder(prompt=prompt) for prompt in prompts)
    request = accept.StartRequest(source="rest", order=Order(scenes=wishes, max_cost_micro=max_cost_micro))
    return accept.start(harness.services, request).run_id


def generations(harness: StageHarness, run_id: str) -> list[Generation]:
    with harness.services.store.read() as tx:
        return tx.generations.find(run_id=run_id, order="created_at")


def history(harness: StageHarness, name: str) -> list[Event]:
    with harness.services.store.read() as tx:
        return tx.events.find(name=name)


def problems(harness: StageHarness) -> tuple[str, ...]:
    with harness.services.store.read() as tx:
        return audit.audit(tx).problems
