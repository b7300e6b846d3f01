"""The catalogue files that the how-to hands out for gateways: what they name is what the gateway takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import InvalidOrder
from pipelines.domain.lifecycle import GenerationStatus
from pipelines.ports import MediaInput
from pipelines.providers import load_catalogue
from tests.contract.provider_fixtures import ProviderHarness, finished, open_house, request_for, submission

FILES = sorted((Path(__file__).parents[2] / "docs" / "how-to" / "catalogues").glob("*.toml"))
OURS = load_catalogue()
CARDS = [card for path in FILES for card in load_catalogue(path).values() if card.id not in OURS]
every = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderHarness]:
    with open_house(tmp_path_factory.mktemp("gateways")) as harness:
        harness.catalogue |= {card.id: card for card in CARDS}
        yield harness
        harness.close()


@pytest.fixture
def harness(gateways: ProviderHarness) -> ProviderHarness:
    gateways.turn(reset=True, generation_s=0.0, prerender=False)
    return gateways


def test_there_is_a_file_for_each_gateway_that_the_page_names() -> None:
    page = (FILES[0].parents[1] / "add-a-model.md").read_text()
    assert {path.name for path in FILES} == {"new-api.toml", "saygm.toml"}
    assert all(f"catalogues/{path.name}" in page for path in FILES)


@every
def test_every_frame_and_length_is_taken_and_charged_as_quoted(harness: ProviderHarness, card: CatalogueModel) -> None:
    provider, lengths = harness.provider(card), card.durations or (card.min_seconds, card.max_seconds)
    for number, (offer, seconds) in enumerate(product(card.offers, {min(lengths), max(lengths)})):
        frame = {name: getattr(offer, name) for name in ("width", "height", "aspect_ratio", "resolution")}
        request = request_for(card, f"Heron {number}", seconds=seconds, **frame)
        job = provider.submit(submission(request))
        line = harness.bill()[number]
        assert (line["model"], line["seconds"], line["size"]) == (card.slug, seconds, f"{offer.width}x{offer.height}")
        assert round(line["usd"] * 1_000_000) <= card.clip_price(offer.resolution, seconds)
    assert finished(provider, job, request).status is GenerationStatus.SUCCEEDED


@every
def test_a_length_of_sora_is_not_taken_there(harness: ProviderHarness, card: CatalogueModel) -> None:
    with pytest.raises(InvalidOrder):
        harness.provider(card).submit(submission(replace(request_for(card, "Heron"), seconds=20.0)))


@every
def test_nothing_is_promised_of_lost_answers_that_was_not_seen(card: CatalogueModel) -> None:
    assert card.ability is Ability.NONE


@pytest.mark.parametrize("card", [card for card in CARDS if card.image_to_video], ids=lambda card: card.id)
def test_a_picture_to_start_from_arrives(harness: ProviderHarness, card: CatalogueModel, tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), "teal").save(tmp_path / "start.png")
    picture = MediaInput(key="start", path=tmp_path / "start.png", content_type="image/png")
    request = request_for(card, "Heron", first_frame="start")
    harness.provider(card).submit(submission(request, inputs=(picture,)))
    assert harness.bill()[0]["image"] is True
