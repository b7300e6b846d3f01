"""A paid clip comes home through the whole core: real adapters, real HTTP, the faults of links that real servers show.

One run for each provider, with a scene for each fault; the sandbox's bill says what was paid.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.bootstrap import SystemClock
from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.footage import Preview
from pipelines.domain.lifecycle import GenerationStatus, RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run
from pipelines.providers import load_catalogue
from pipelines.stages.decisions import control
from pipelines.stages.generations.reconcile import LIST_TRIES
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.scheduler import steps
from pipelines.stages.spending import audit, ledger
from pipelines.testing import ScriptedProviders, make_services
from tests.contract.provider_fixtures import ProviderHarness, cheapest_cards, more_models, open_house

CARDS = cheapest_cards(load_catalogue(more_models()))
PAID = [card for card in CARDS if not card.free]
ONE_EACH = list({card.provider: card for card in PAID}.values())
LISTED = [card for card in PAID if card.ability is Ability.LIST]
BY_QUERY = [card for card in LISTED if card.provider == "sora"]
"""LiteLLM, which lists where the query names its back end, speaks /v1/videos only."""
SCENES = (
    "A heron lifts off [[badlink]]",
    "An otter dives [[insidelink]]",
    "A toad waits [[nolink]]",
    "A moth lands [[corrupt:html]]",
)
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def open_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderHarness]:
    with open_house(tmp_path_factory.mktemp("house")) as harness:
        yield harness


@pytest.fixture
def harness(open_for_all: ProviderHarness) -> Iterator[ProviderHarness]:
    open_for_all.turn(reset=True, generation_s=0.2, prerender=False, palette=4, kie_creates_per_10s=0)
    yield open_for_all
    open_for_all.close()


def made(
    harness: ProviderHarness, card: CatalogueModel, folder: Path, *prompts: str, **wishes: Any
) -> tuple[Services, Run]:
    """A run of these scenes, worked on until it stops, on the clock of the wall."""
    card = dataclasses.replace(harness.catalogue[card.id], poll_s=0.2, typical_s=0.4, list_grace_s=2.0, maximum_s=100.0)
    services = make_services(
        folder,
        clock=SystemClock(),
        catalogue={card.id: card},
        providers=ScriptedProviders(harness.provider(card)),
    )
    order = Order(scenes=tuple(SceneOrder(prompt=prompt) for prompt in prompts), model=card.id, adapt=True, **wishes)
    run = accept.start(services, accept.StartRequest(source="rest", order=order)).run_id
    return services, steps.drive(services, run, on_change=lambda _run: None)


@pytest.mark.slow
@pytest.mark.parametrize("card", ONE_EACH, ids=lambda card: card.id)
def test_whatever_is_wrong_with_its_link_a_paid_clip_is_in_the_film_and_paid_once(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    services, run = made(harness, card, tmp_path, *SCENES)
    assert (run.status, run.error) == (RunStatus.DONE, None)
    assert Counter(line["prompt"].partition("\n")[0] for line in harness.bill()) == Counter(SCENES)
    with services.store.read() as tx:
        generations = tx.generations.find(run_id=run.id)
    assert {gen.status for gen in generations} == {GenerationStatus.FETCHED}


@pytest.mark.parametrize("card", LISTED, ids=lambda card: card.id)
def test_at_a_server_that_does_not_list_a_lost_answer_is_left_to_a_person_at_once(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    harness.turn(lists=False)
    services, run = made(harness, card, tmp_path, "A heron lifts off [[lost]]")
    assert run.status is RunStatus.NEEDS_ATTENTION
    assert "never answered, and may have charged for it" in (run.error or "")
    assert len(harness.bill()) == 1
    with services.store.read() as tx:
        (gen,) = tx.generations.find(run_id=run.id)
    assert (gen.status, gen.polls < LIST_TRIES) == (GenerationStatus.UNKNOWN, True)


@pytest.mark.parametrize("card", BY_QUERY, ids=lambda card: card.id)
def test_with_the_query_that_makes_it_list_the_lost_answer_is_found(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    harness.turn(lists=False)
    plain = harness.catalogue[card.id]
    options = {**plain.options, "query": {"custom_llm_provider": "openai"}}
    harness.catalogue[card.id] = dataclasses.replace(plain, options=options)
    try:
        _, run = made(harness, card, tmp_path, "A heron lifts off [[lost]]")
    finally:
        harness.catalogue[card.id] = plain
    assert (run.status, len(harness.bill())) == (RunStatus.DONE, 1)


@pytest.mark.slow
@pytest.mark.parametrize("card", [card for card in PAID if card.draft_finals], ids=lambda card: card.id)
def test_the_drafts_of_a_film_become_its_clips_and_each_is_paid_once(
    harness: ProviderHarness, card: CatalogueModel, tmp_path: Path
) -> None:
    prompts = ("A heron lifts off [[lost]]", "An otter dives [[lost-draft]]")
    services, asked = made(harness, card, tmp_path, *prompts, resolution=card.draft_finals[0], preview=Preview.DRAFT)
    assert (asked.status, asked.error) == (RunStatus.NEEDS_APPROVAL, None)
    assert Counter(line["prompt"] for line in harness.bill() if line["draft"]) == Counter(prompts)
    control.approve(services, asked.id, "test")
    run = steps.drive(services, asked.id, on_change=lambda _run: None)
    assert (run.status, run.error) == (RunStatus.DONE, None)
    looks = {line["prompt"]: line["id"] for line in harness.bill() if line["draft"]}
    clips = {line["prompt"]: line["made_from"] for line in harness.bill() if not line["draft"]}
    assert clips == {prompts[0]: looks[prompts[0]], prompts[1]: None}
    assert len(harness.bill()) == 4
    with services.store.read() as tx:
        spent = ledger.of_run(tx, run.id).spent
        assert audit.audit(tx).problems == ()
    # What was found in a list counts at its list price, which is a little more than what the vendor billed.
    billed = round(sum(line["usd"] for line in harness.bill()) * 1_000_000)
    assert billed <= spent <= (run.quote_micro or 0)
