"""The catalogue as files and as page, and the registry that finds adapters by it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.domain.catalogue import Ability, CatalogueModel
from pipelines.domain.errors import NotConfigured
from pipelines.media.editor import MediaEditor
from pipelines.providers import CatalogueError, Registry, base_urls, build_providers, load_catalogue
from pipelines.settings import load_settings
from tests.contract.provider_fixtures import SANDBOX_MODELS

ROW = """
[models."acme/x"]
label = "X"
sizes = { "16:9 720p" = "1280x720" }
usd_per_second = { "720p" = 0.1 }
price_date = 2026-11-20
"""


def problems_in(text: str, folder: Path, suffix: str = ".toml") -> list[tuple[str, str]]:
    path = folder / f"models{suffix}"
    path.write_text(text)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(path)
    assert str(path) in str(caught.value)
    return list(caught.value.problems)


def registry(environ: dict[str, str], folder: Path, *cards: CatalogueModel) -> Registry:
    catalogue = {**load_catalogue(), **{card.id: card for card in cards}}
    return build_providers(load_settings(environ, folder), catalogue, MediaEditor())


@pytest.mark.parametrize("card", load_catalogue(SANDBOX_MODELS).values(), ids=lambda card: card.id)
def test_a_shipped_model_names_a_successor_that_is_there_and_offers_what_it_prices(card: CatalogueModel) -> None:
    assert card.successor is None or card.successor in load_catalogue()
    assert (card.sunset is None) is (card.successor is None)
    named = {key.split()[1] for key in card.sizes}
    assert set(card.prices) <= named
    assert card.submit_timeout_s >= 5


def test_a_free_model_is_never_in_doubt_because_asking_again_costs_nothing() -> None:
    assert {card.ability for card in load_catalogue().values() if card.free} == {Ability.KEY}


def test_the_sandboxes_four_models_differ_in_how_a_lost_answer_is_settled_and_in_nothing_else() -> None:
    cards = [card for name, card in load_catalogue(SANDBOX_MODELS).items() if name.startswith("sora/sandbox-")]
    assert {card.ability for card in cards} == set(Ability)
    alike = [
        dataclasses.replace(card, id="x/x", label="", notes="", ability=Ability.NONE, list_grace_s=0.0, maximum_s=0.0)
        for card in cards
    ]
    assert len({repr(card) for card in alike}) == 1


def test_a_file_adds_models_and_changes_single_values_of_those_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(ROW + '[models."sora/sora-2"]\nusd_per_second = { "720p" = 0.07 }\n')
    catalogue = load_catalogue(path)
    assert catalogue["acme/x"].prices == {"720p": 100_000}
    assert catalogue["acme/x"].aspect_ratios == ("16:9",)
    assert catalogue["sora/sora-2"].prices == {"720p": 70_000}
    assert catalogue["sora/sora-2"].durations == load_catalogue()["sora/sora-2"].durations


def test_a_file_of_json_will_do(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text('{"models": {"acme/x": {"label": "X", "free": true, "sizes": {"1:1 720p": "720x720"}}}}')
    assert load_catalogue(path)["acme/x"].clip_price("720p", 10) == 0


@pytest.mark.parametrize(
    ("change", "model", "sentence"),
    [
        ('"acme/x"|x', "x", "must be named provider/slug"),
        ("label = |lable = ", "acme/x", "lable is not known"),
        ("label = |lable = ", "acme/x", "label: Field required"),
        ("0.1 }|-0.1 }", "acme/x", "above $0"),
        ("0.1 }|0 }", "acme/x", "free = true"),
        ('0.1 }|"cheap" }', "acme/x", "not an amount of money"),
        ("1280x720|1280x721", "acme/x", "must read like"),
        ("1280x720|wide", "acme/x", "must read like"),
        ("16:9 720p|widescreen", "acme/x", "must read like"),
        ("price_date = 2026-11-20|", "acme/x", "price_date is missing"),
        ("price_date = |default_seconds = 90\nprice_date = ", "acme/x", "not a length it makes"),
        ("price_date = |durations = [3, 5]\nprice_date = ", "acme/x", "not a length it makes"),
        ('price_date = |ability = "hope"\nprice_date = ', "acme/x", "ability"),
        ('price_date = |usd_per_clip = { "4k" = 1 }\nprice_date = ', "acme/x", "has no usd_per_second"),
        ("[models.|[modles.", "", "must hold one table per model"),
    ],
)
def test_a_mistake_is_told_by_model_and_field(change: str, model: str, sentence: str, tmp_path: Path) -> None:
    old, new = change.split("|")
    assert old in ROW
    found = problems_in(ROW.replace(old, new), tmp_path)
    assert any(name == model and sentence in said for name, said in found), found


@pytest.mark.parametrize(("text", "suffix"), [("[models", ".toml"), ("{", ".json"), ("[]", ".json")])
def test_what_is_no_catalogue_at_all_is_told_in_one_line(text: str, suffix: str, tmp_path: Path) -> None:
    assert len(problems_in(text, tmp_path, suffix)) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(tmp_path / "none.toml")


def test_a_provider_without_its_key_names_the_variable_to_set(tmp_path: Path) -> None:
    found = registry({}, tmp_path)
    missing = {name: found.missing(name) for name in found.names()}
    known = {
        "local": None,
        "sora": "SORA_API_KEY",
        "omni": "GEMINI_API_KEY",
        "veo": "GOOGLE_CLOUD_PROJECT",
        "kie": "KIE_API_KEY",
        "openrouter": "OPENROUTER_API_KEY",
        "minimax": "MINIMAX_API_KEY",
        "byteplus": "BYTEPLUS_API_KEY",
        "fal": "FAL_API_KEY",
    }
    assert missing | known == missing
    for name, variable in missing.items():
        assert found.configured(name) is (variable is None)
        if variable:
            with pytest.raises(NotConfigured, match=variable):
                found.get(name)


def test_a_server_of_ones_own_needs_no_key(tmp_path: Path) -> None:
    found = registry({"SORA_BASE_URL": "http://127.0.0.1:9/v1"}, tmp_path)
    assert found.configured("sora")
    assert found.get("sora") is found.get("sora")
    found.close()


def test_an_unknown_provider_and_an_adapter_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="acme"):
        registry({}, tmp_path).get("acme")
    card = CatalogueModel(id="acme/x", label="X", options={"adapter": "nowhere.acme"})
    with pytest.raises(NotConfigured, match=r"nowhere\.acme|nowhere"):
        registry({}, tmp_path, card).get("acme")
    assert not registry({}, tmp_path).configured("acme")


def test_the_addresses_of_all_providers_are_known_to_the_planner(tmp_path: Path) -> None:
    settings = load_settings({"SORA_BASE_URL": "http://127.0.0.1:9/v1"}, tmp_path)
    urls = base_urls(settings, load_catalogue())
    assert urls["sora"] == "http://127.0.0.1:9/v1"
    assert set(urls) == {"sora", "omni", "kie", "openrouter", "minimax", "byteplus", "fal"}


def test_knowing_what_is_configured_loads_no_sdk(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from pipelines.providers import base_urls, build_providers, load_catalogue
from pipelines.settings import load_settings
settings = load_settings({"SORA_API_KEY": "k", "GEMINI_API_KEY": "k", "GOOGLE_CLOUD_PROJECT": "p"}, Path(sys.argv[1]))
catalogue = load_catalogue()
providers = build_providers(settings, catalogue, None)
assert base_urls(settings, catalogue)
assert any([providers.configured(name) for name in providers.names()])
print(sorted({name.split(".")[0] for name in sys.modules} & {"openai", "moviepy", "PIL", "numpy", "av", "google"}))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
