"""The rules that are shipped: promtool's own tests of them, and that every metric they name is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from tests.conftest import needs
from tests.web.web_fixtures import BEARER, OUTSIDE, WebHarness
from tools.stack import ROOT
from webapp.metrics.catalogue import ALL

FOLDER = ROOT / "deploy" / "prometheus"
PROMTOOL = shutil.which("promtool")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("words", [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")])
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    needs("promtool", found=PROMTOOL is not None)
    done = subprocess.run([str(PROMTOOL), *words], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_that_a_rule_names_is_told(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**OUTSIDE, "STORAGE_LIMIT_GB": "1", "STORAGE_USD_PER_GB": "0.02"}) as harness:
        text = harness.client.get("/metrics", headers=BEARER).get_data(as_text=True)
    asked = [rule["expr"] for rule in rules()]
    panels = json.loads((ROOT / "deploy" / "grafana" / "reelgrid.json").read_text("utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    told = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    series = told | {f"{name}_{part}" for name in told for part in ("bucket", "count", "sum")}
    named = {name for expr in asked + shown for name in re.findall(r"reelgrid_\w+", expr)}
    assert named - series == set()
    on_panels = {re.sub("_bucket$", "", name) for expr in shown for name in re.findall(r"reelgrid_\w+", expr)}
    assert told == on_panels, "the dashboard has a panel for each metric"
    assert told == {metric.series.removesuffix("_count") for metric in ALL}


def test_every_rule_says_what_it_means_and_how_urgent_it_is() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]


def test_what_waits_for_a_worker_is_told_by_kind(tmp_path: Path) -> None:
    with WebHarness(tmp_path, OUTSIDE) as harness:
        now = harness.clock.now()
        harness.put(
            Run(id="run_1", status=RunStatus.GENERATING, source="rest", next_at=now - 400),
            Run(id="run_2", status=RunStatus.QUEUED, source="rest", next_at=now + 400),
        )
        text = harness.client.get("/metrics", headers=BEARER).get_data(as_text=True)
    lags = dict(re.findall(r'^reelgrid_due_lag_seconds{kind="(\w+)"} (\S+)$', text, re.MULTILINE))
    assert float(lags["runs"]) >= 400
    assert float(lags["generations"]) == 0
