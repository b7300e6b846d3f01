"""The two how-tos about models and providers do what they say, word for word."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from pipelines.domain.orders.order import Order
from pipelines.domain.planning.make_plan import make_plan
from pipelines.providers import CatalogueError, load_catalogue
from tests.contract.provider_fixtures import MORE_MODELS

ROOT = Path(__file__).parents[2]
BYTECODE = shutil.ignore_patterns("__pycache__")
HOW_TO = ROOT / "docs" / "how-to"


def block(page: str, language: str) -> str:
    """The page's code in one language, without its indentation."""
    found = re.search(rf"^( *)```{language}\n(.*?)^ *```$", (HOW_TO / page).read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no {language}"
    return "".join(line.removeprefix(found[1]) for line in found[2].splitlines(keepends=True))


@pytest.fixture(scope="module")
def house_with_acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository in which somebody has followed the page."""
    copy = tmp_path_factory.mktemp("acme")
    for part in ("pipelines", "tests", "tools", "webapp", "pyproject.toml"):
        source = ROOT / part
        bring = partial(shutil.copytree, ignore=BYTECODE) if source.is_dir() else shutil.copy
        bring(source, copy / part)
    (copy / "pipelines" / "providers" / "acme.py").write_text(block("add-a-provider.md", "python"))
    with (copy / "pipelines" / "providers" / "catalogue.toml").open("a") as catalogue:
        catalogue.write("\n" + block("add-a-provider.md", "toml"))
    recordings = copy / "tests" / "wire" / "acme"
    recordings.mkdir()
    (recordings / "finished.json").write_text(block("add-a-provider.md", "json"))
    (copy / "acme-proof.toml").write_text(block("add-a-provider.md", "toml proof"))
    return copy


@pytest.mark.slow
def test_a_provider_of_one_file_and_one_row_is_found_by_the_suite_and_keeps_its_promises(house_with_acme: Path) -> None:
    exported, line, *_ = map(shlex.split, block("add-a-provider.md", "sh").splitlines())
    assert (exported[0], line[0]) == ("export", "pytest")
    given = dict(setting.split("=", 1) for setting in exported[1:])
    assert MORE_MODELS in given
    words, environ = line[1:], {**os.environ, **given, "PYTEST_XDIST_WORKER": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-vv", *words],
        cwd=house_with_acme,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.findall(r"::(test_\w+)\[(?:acme/clip|acme/finished)\] PASSED", done.stdout)
    assert len(set(passed)) >= 21, done.stdout


KNOCK = """\
import json, sys
from pathlib import Path
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.providers import all_variables, load_catalogue
from pipelines.sandbox.vendors.kernel.delivery import standard_webhook
from tests.web.web_fixtures import OUTSIDE, WebHarness

secret = "whsec_" + "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
body = json.dumps({"type": "video.completed", "data": {"id": "job_1"}}).encode()
found = {"settings": [row.name for row in all_variables(load_catalogue()) if "ACME" in row.name], "answers": []}
for key, signed in (({}, True), ({"ACME_WEBHOOK_SECRET": secret}, False), ({"ACME_WEBHOOK_SECRET": secret}, True)):
    folder = Path(sys.argv[1]) / str(len(found["answers"]))
    folder.mkdir()
    with WebHarness(folder, OUTSIDE | {"ACME_API_KEY": "sk-acme"} | key) as house:
        house.put(Run(id="run_1", status=RunStatus.GENERATING, source="rest"), house.scene("run_1"))
        house.put(house.generation("run_1", provider="acme", provider_id="job_1", next_at=9e9))
        at = int(house.clock.now())
        headers = standard_webhook("msg_1", secret)(body, at) | ({} if signed else {"webhook-signature": "v1,AAAA"})
        answer = house.client.post("/api/webhook/acme/token-1", data=body, headers=headers)
        with house.store.read() as tx:
            woken = (tx.generations.get("gen_1").next_at or 0) < 8e9
        found["answers"].append([answer.status_code, woken, list(house.services.providers.unsigned())])
        found["told"] = house.services.policy.animatic_by_default
    house.store.engine.dispose()
with WebHarness(Path(sys.argv[1])) as house:
    found["missing"] = house.services.providers.missing("acme")
print(json.dumps(found))
"""


@pytest.mark.slow
def test_its_own_key_and_webhook_need_nothing_but_the_file(house_with_acme: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KNOCK, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(house_with_acme)}
    done = subprocess.run(command, cwd=house_with_acme, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["settings"] == ["ACME_API_KEY", "ACME_BASE_URL", "ACME_WEBHOOK_SECRET"]
    assert found["missing"] == "ACME_API_KEY"
    assert found["told"] is True, "a key is set and no VIDEO_MODEL: rows say that they get a free animatic"
    assert found["answers"] == [
        [401, False, ["ACME_WEBHOOK_SECRET"]],
        [401, False, []],
        [200, True, []],
    ]


@pytest.mark.slow
def test_the_file_of_the_page_is_as_strict_as_the_others(house_with_acme: Path) -> None:
    file = "pipelines/providers/acme.py"
    for words in (("ruff", "check", file), ("ruff", "format", "--check", file), ("mypy", file)):
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=house_with_acme, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


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
