"""The catalogue as programs and operators see it: everything it knows, and what will not be there for long."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.domain.catalogue import Ability
from pipelines.providers import load_catalogue
from pipelines.sandbox.app import Sandbox
from tests.web.web_fixtures import OUTSIDE, WebHarness

SORA = {"SORA_API_KEY": "k", "SORA_BASE_URL": "https://api.openai.com/v1"}


def findings(folder: Path, **environ: str) -> dict[str, dict[str, Any]]:
    """What the doctor says about the models that the settings name."""
    with WebHarness(folder, OUTSIDE | environ) as harness:
        done = harness.app.test_cli_runner().invoke(args=["doctor", "--json"])
        return {check["name"]: check for check in json.loads(done.stdout) if check["name"].startswith("model ")}


def ending(folder: Path, sunset: str) -> str:
    """A catalogue in which OpenAI's own Sora ends on another day."""
    path = folder / "models.toml"
    path.write_text(f'[models."sora/sora-2"]\nsunset = {sunset}\n')
    return str(path)


def test_a_model_tells_all_that_the_catalogue_knows_of_it(harness: WebHarness) -> None:
    models = {model["id"]: model for model in harness.get("/api/models").json["models"]}
    omni, sora = models["omni/gemini-omni-1.2-flash"], models["sora/sora-2"]
    assert (omni["first_last_frame"], omni["max_references"], omni["step_seconds"]) == (True, 6, 1)
    assert (sora["step_seconds"], sora["ability"], sora["retention_s"]) == (None, "list", 3600)
    for model in models.values():
        assert model["ability"] in set(Ability)
        assert 0 < model["typical_s"] <= model["maximum_s"]
        assert model["max_in_flight"] > 0 < model["creates_per_minute"]
        assert bool(model["price_usd_per_second"]) is (model["price_date"] is not None)


def test_the_list_shows_what_a_clip_costs_on_top_and_what_has_no_price(harness: WebHarness) -> None:
    lines = harness.app.test_cli_runner().invoke(args=["models", "list"], color=False).output.splitlines()
    told = {line.split()[0]: line for line in lines if line.strip()}
    assert "4k $0.0525/s + $0.525" in told["kie/gemini-omni-video"]
    assert "none, so not offered" in told["kie/kling-3.0"]
    assert "free" in told["local/animatic"]


def test_what_a_vendor_lists_is_printed_as_a_file_for_the_catalogue(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        router = {"OPENROUTER_API_KEY": "k", "OPENROUTER_BASE_URL": f"{sandbox.url}/openrouter/api/v1"}
        with WebHarness(tmp_path, OUTSIDE | router) as harness:
            flask = harness.app.test_cli_runner()
            listed = tmp_path / "listed.toml"
            listed.write_text(flask.invoke(args=["models", "offered", "openrouter"]).stdout)
            silent = flask.invoke(args=["models", "offered", "local"])
            unset = flask.invoke(args=["models", "offered", "kie"])
    assert load_catalogue(listed)["openrouter/sandbox/clip"].prices == {"360p": 10_000, "720p": 20_000}
    assert (silent.exit_code, unset.exit_code) == (1, 1)
    assert "has no list" in silent.output
    assert "KIE_API_KEY" in unset.output


def test_the_doctor_warns_of_a_model_that_ends_soon_and_refuses_one_that_has_ended(tmp_path: Path) -> None:
    (gone,) = findings(tmp_path, **SORA, VIDEO_MODEL="sora/sora-2").values()
    assert (gone["ok"], gone["warning"]) == (False, False)
    assert "Use omni/gemini-omni-1.2-flash instead" in gone["sentence"]
    day = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    (near,) = findings(tmp_path, **SORA, VIDEO_MODEL="sora/sora-2", CATALOGUE=ending(tmp_path, day)).values()
    assert (near["ok"], near["warning"]) == (False, True)
    assert day in near["sentence"]


def test_the_doctor_looks_at_fallback_models_too(tmp_path: Path) -> None:
    found = findings(tmp_path, FALLBACK_MODELS="kie/bytedance/seedance-2-mini,acme/none")
    assert "KIE_API_KEY" in found["model kie/bytedance/seedance-2-mini"]["sentence"]
    assert "not in the catalogue" in found["model acme/none"]["sentence"]
    assert all(check["warning"] for check in found.values())
