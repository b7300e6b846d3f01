"""What OpenRouter lists becomes a catalogue that can be ordered from, and never one that quotes too little."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.catalogue import CatalogueModel
from pipelines.providers import load_catalogue
from pipelines.providers.catalogue import catalogue_text
from pipelines.providers.openrouter_models import rows_of
from tests.contract.provider_fixtures import ProviderHarness, finished, open_house, request_for, submission

ENTRY: dict[str, Any] = {
    "id": "acme/film",
    "name": 'Acme "Film"',
    "supported_durations": [4, 6, 8],
    "supported_resolutions": ["720p", "4K"],
    "supported_aspect_ratios": ["16:9", "1:1"],
    "supported_frame_images": ["first_frame"],
    "generate_audio": True,
    "seed": None,
    "pricing_skus": {"duration_seconds": "0.1"},
}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderHarness]:
    with open_house(tmp_path_factory.mktemp("house")) as harness:
        yield harness
        harness.close()


def card_of(folder: Path, **entry: Any) -> CatalogueModel:
    """A listed model, through the file, as it can be ordered."""
    path = folder / "listed.toml"
    path.write_text(catalogue_text(rows_of({"data": [{**ENTRY, **entry}]}, date(2026, 11, 20))))
    return load_catalogue(path)["openrouter/acme/film"]


def test_the_list_of_the_vendor_can_be_ordered_from_and_quotes_what_it_charges(
    harness: ProviderHarness, tmp_path: Path
) -> None:
    router = harness.provider(harness.catalogue["openrouter/alibaba/wan-3.0"])
    path = tmp_path / "listed.toml"
    path.write_text(router.offered())
    listed = load_catalogue(path)
    harness.catalogue |= listed
    for slug in ("google/veo-3.1", "bytedance/seedance-2-mini", "alibaba/wan-3.0", "sandbox/clip"):
        card = listed[f"openrouter/{slug}"]
        harness.turn(reset=True, generation_s=0.0, prerender=False)
        request = request_for(card, "A heron lifts off")
        provider = harness.provider(card)
        job = finished(provider, provider.submit(submission(request)), request)
        assert job.status == "succeeded", job.error
        assert round(harness.bill()[0]["usd"] * 1_000_000) == card.clip_price(request.resolution, request.seconds)


def test_a_listed_model_says_what_it_can(tmp_path: Path) -> None:
    card = card_of(tmp_path)
    assert (card.label, card.durations, card.default_seconds) == ('Acme "Film" (OpenRouter)', (4, 6, 8), 4)
    assert (card.image_to_video, card.first_last_frame, card.audio, card.seed) == (True, False, True, False)
    assert card.sizes["16:9 4k"] == "3840x2160"
    assert card.options == {"resolutions": {"4k": "4K"}}
    assert (card.price_date, card.ability) == (date(2026, 11, 20), "callback")


@pytest.mark.parametrize(
    ("skus", "micro"),
    [
        ({"duration_seconds": "0.1"}, {"720p": 100_000, "4k": 100_000}),
        ({"cents_per_second_output": "12"}, {"720p": 120_000, "4k": 120_000}),
        ({"per-video-second-720p": 0.041}, {"720p": 41_000}),
        (
            {"duration_seconds_with_audio_720p": "0.4", "duration_seconds_without_audio_720p": "0.2"},
            {"720p": 400_000},
        ),
        ({"duration_seconds": "0.1", "duration_seconds_4K": "0.3"}, {"720p": 100_000, "4k": 300_000}),
        ({"image_to_video_duration_seconds": "0.2", "duration_seconds": "0.1"}, {"720p": 200_000, "4k": 200_000}),
        ({"video_tokens": "0.000012"}, {}),
        ({"cents_per_megapixel_second": "1"}, {}),
        ({"duration_seconds": "0"}, {}),
        ({"duration_seconds": "free"}, {}),
        (None, {}),
    ],
)
def test_only_a_clear_price_a_second_is_a_price_and_of_several_the_dearest(
    tmp_path: Path, skus: Any, micro: dict[str, int]
) -> None:
    card = card_of(tmp_path, pricing_skus=skus)
    assert card.prices == micro
    assert {offer.resolution for offer in card.offers} == set(micro)
    assert card.notes.startswith("Not offered") is (not micro)


def test_where_only_silent_clips_have_a_price_they_are_ordered_silent(tmp_path: Path) -> None:
    assert card_of(tmp_path, pricing_skus={"duration_seconds_without_audio_720p": "0.03"}).audio is False


@pytest.mark.parametrize("missing", ["supported_durations", "supported_resolutions", "supported_aspect_ratios"])
@pytest.mark.parametrize("value", [None, [], ["?"], "x"])
def test_an_entry_that_says_too_little_is_left_out(missing: str, value: Any) -> None:
    assert rows_of({"data": [{**ENTRY, missing: value}, ENTRY]}, date(2026, 11, 20)).keys() == {"openrouter/acme/film"}
    assert rows_of({"data": [{**ENTRY, missing: value}]}, date(2026, 11, 20)) == {}


@pytest.mark.parametrize("listed", [None, [], {"data": None}, {"data": [7, {}]}])
def test_what_is_no_list_has_no_models(listed: Any) -> None:
    assert catalogue_text(rows_of(listed, date(2026, 11, 20))) == ""
