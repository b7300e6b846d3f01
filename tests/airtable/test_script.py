"""What `flask airtable script` prints for Airtable: the automation's script, run by Node, and the button's formula."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airtable.airtable_fixtures import BASE, AirtableHarness
from tests.conftest import needs


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path) as harness:
        yield harness


HARNESS = """
const {readFileSync} = require('node:fs');
const told = JSON.parse(process.env.TOLD);
const seen = {outputs: {}, logs: []};
const input = {config: () => told.config, secret: name => (name === 'REELGRID_KEY' ? 'rg_key' : undefined)};
const base = {id: 'appBase', getTable: name => ({id: `tbl-${name}`})};
const output = {set: (name, value) => { seen.outputs[name] = value; }};
const console = {log: line => seen.logs.push(line)};
const fetch = async (url, options) => {
  seen.request = {url, ...options, body: JSON.parse(options.body)};
  return {ok: told.status < 400, status: told.status, text: async () => told.answer};
};
const run = Object.getPrototypeOf(async () => {}).constructor;
new run('input', 'base', 'output', 'console', 'fetch', readFileSync(0, 'utf8'))(input, base, output, console, fetch)
  .catch(error => { seen.error = error.message; })
  .finally(() => process.stdout.write(JSON.stringify(seen)));
"""


def run_script(script: str, **told: Any) -> dict[str, Any]:
    """Execute the automation under Node as Airtable does: an async function with its globals."""
    needs("Node", found=shutil.which("node") is not None)
    told = {"config": {"recordId": "recA"}, "status": 202, "answer": "{}", **told}
    environment = {"PATH": os.environ["PATH"], "TOLD": json.dumps(told)}
    done = subprocess.run(
        ["node", "-e", HARNESS], input=script, capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_automation_script_starts_the_row_and_shows_the_page(harness: AirtableHarness) -> None:
    answer = {"run_id": "run_1", "existing": False, "page_url": "http://x/runs/run_1", "status_url": "http://x/api"}
    seen = run_script(harness.tools.script(), answer=json.dumps(answer))
    assert seen["request"]["url"] == "http://127.0.0.1:8000/api/process-record"
    assert seen["request"]["method"] == "POST"
    assert seen["request"]["headers"]["Authorization"] == "Bearer rg_key"
    assert seen["request"]["body"] == {"base_id": "appBase", "table": "tbl-Videos", "record_id": "recA"}
    assert seen["outputs"] == {"run_id": "run_1", "page_url": "http://x/runs/run_1"}
    assert seen["logs"] == ["Started: http://x/runs/run_1"]
    assert "error" not in seen


def test_the_script_for_a_known_base_survives_a_renamed_table(harness: AirtableHarness) -> None:
    harness.build()
    table = harness.tools.book.of(BASE).table("Videos").key
    seen = run_script(harness.tools.script(BASE))
    assert seen["request"]["body"]["table"] == f"tbl-{table}"


def test_the_automation_script_fails_visibly_when_reelgrid_says_no(harness: AirtableHarness) -> None:
    seen = run_script(harness.tools.script(), status=401, answer='{"title": "Unauthorized"}')
    assert seen["error"] == 'Reelgrid answered 401: {"title": "Unauthorized"}'


def test_the_automation_script_says_when_its_input_is_missing(harness: AirtableHarness) -> None:
    seen = run_script(harness.tools.script(), config={})
    assert "recordId" in seen["error"]
    assert "request" not in seen


def test_the_button_opens_a_page_and_starts_nothing(harness: AirtableHarness) -> None:
    row, page = '"http://127.0.0.1:8000/r/" & RECORD_ID()', "{Progress Page}"
    plain = f"IF({page}, {page}, {row})"
    assert [harness.tools.button_formula(base) for base in (None, BASE)] == [plain, plain]
    named = harness.tools.button_formula("appTeamNorth00001")
    assert named == f'IF({page}, {page}, {row} & "?base_id=appTeamNorth00001")'
