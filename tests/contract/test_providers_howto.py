"""The two how-tos about models and providers do what they say, word for word."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pipelines.domain.order import Order
from pipelines.domain.plan import make_plan
from pipelines.providers import CatalogueError, load_catalogue
from tests.contract.providers_house import MORE_MODELS
from tests.wire.play import play

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"


def block(page: str, language: str) -> str:
    """The page's code in one language, without its indentation."""
    found = re.search(rf"^( *)```{language}\n(.*?)^ *```$", (HOW_TO / page).read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no {language}"
    return "".join(line.removeprefix(found[1]) for line in found[2].splitlines(keepends=True))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file and one row, as the page has them; the row's file."""
    (tmp_path / "acme.py").write_text(block("add-a-provider.md", "python"))
    row = tmp_path / "acme.toml"
    row.write_text(block("add-a-provider.md", "toml"))
    monkeypatch.syspath_prepend(tmp_path)
    return row


def test_a_provider_of_one_file_and_one_row_is_found_by_the_contract_suite_and_keeps_its_promises(acme: Path) -> None:
    environ = {**os.environ, MORE_MODELS: str(acme), "PYTHONPATH": str(acme.parent), "PYTEST_XDIST_WORKER": ""}
    suite = ROOT / "tests" / "contract" / "test_providers.py"
    command = [sys.executable, "-m", "pytest", str(suite), "-k", "acme", "-vv", "-p", "no:xdist"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.findall(r"::(test_\w+)\[acme/clip\] PASSED", done.stdout)
    assert len(set(passed)) >= 19, done.stdout


def test_its_recording_plays(acme: Path, tmp_path: Path) -> None:
    recorded = json.loads(block("add-a-provider.md", "json"))
    play(recorded, load_catalogue(acme), tmp_path, account_key="")


def test_the_models_of_the_other_page_can_be_ordered(tmp_path: Path) -> None:
    path = tmp_path / "my-models.toml"
    path.write_text(block("add-a-model.md", "toml"))
    catalogue = load_catalogue(path)
    order = Order(master_prompt="A day at the sea", scene_count=2, model="sora/wan-2.2-a14b")
    plan = make_plan(order, catalogue, default_model="local/animatic", today=date(2026, 11, 20))
    assert (plan.quote_micro, plan.width, plan.fps) == (300_000, 1280, 16)
    kling = make_plan(
        Order(master_prompt="A day at the sea", scene_count=1, model="kie/kling-3.0"),
        catalogue,
        default_model="local/animatic",
        today=date(2026, 11, 20),
    )
    assert kling.quote_micro == 500_000


def test_a_mistake_in_a_models_file_is_told_with_everything_else_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "my-models.toml"
    path.write_text(block("add-a-model.md", "toml").replace("durations = [5]", "durations = [6]\nprize = 3"))
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(path)
    assert str(path) in str(caught.value)
    assert any("prize is not known" in sentence for _, sentence in caught.value.problems)
