"""What the tests of the control room share: a product of their own with a key, and the hands of people in the base."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.conftest import needs
from tools.stack import BASE, Stack, until

SHORT = {"Clip Seconds": 1, "Resolution": "480p", "Model": "local/animatic"}
"""A free film that is made in a moment."""
ENDED = {"Done", "Failed", "Cancelled", "Needs Attention"}

HARNESS = """
const {readFileSync} = require('node:fs');
const told = JSON.parse(process.env.TOLD);
const outputs = {};
const input = {config: () => told.config, secret: name => (name === 'REELGRID_KEY' ? told.key : undefined)};
const base = {id: told.base, getTable: name => ({id: told.tables[name] || name})};
const output = {set: (name, value) => { outputs[name] = value; }};
const run = Object.getPrototypeOf(async () => {}).constructor;
new run('input', 'base', 'output', 'console', 'fetch', readFileSync(0, 'utf8'))(
  input, base, output, {log: () => {}}, fetch,
).then(() => process.stdout.write(JSON.stringify(outputs)))
 .catch(error => { process.stderr.write(error.message); process.exitCode = 1; });
"""


def run_in_airtable(script: str, record_id: str, key: str) -> dict[str, Any]:
    """Execute an automation's script as Airtable does, but with real requests; what it sets as output."""
    needs("Node", found=shutil.which("node") is not None)
    told = {"config": {"recordId": record_id}, "key": key, "base": BASE, "tables": {}}
    environ = {"PATH": os.environ["PATH"], "TOLD": json.dumps(told)}
    command = ["node", "-e", HARNESS]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, env=environ, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@dataclass(frozen=True)
class Room:
    """A deployment with one key, and one of its bases."""

    stack: Stack
    key: str
    base: str = BASE

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def json(self, *arguments: str) -> Any:
        """A command of the product, as JSON."""
        return json.loads(self.stack.flask(*arguments, "--json").stdout)

    def row(self, **fields: Any) -> str:
        """A person adds a row for a short free film; field names with `_` for the spaces."""
        named = {name.replace("_", " "): value for name, value in fields.items()}
        return self.add("Videos", {**SHORT, **named})

    def add(self, table: str, fields: Mapping[str, Any]) -> str:
        """A person adds a row to a table; its id."""
        return str(self.person("POST", table, body={"fields": dict(fields)})["id"])

    def edit(self, record_id: str, fields: Mapping[str, Any], table: str = "Videos") -> None:
        self.person("PATCH", table, record_id, body={"fields": dict(fields)})

    def delete(self, record_id: str, table: str = "Videos") -> None:
        self.person("DELETE", table, record_id)

    def cells(self, record_id: str, table: str = "Videos") -> dict[str, Any]:
        return dict(self.person("GET", table, record_id)["fields"])

    def person(self, verb: str, *path: str, body: Any = None) -> Any:
        """What somebody does or sees in Airtable's interface."""
        return self.stack.sandbox(verb, "/".join(("/airtable/_control/person", self.base, *path)), body)

    def calls(self) -> dict[str, Any]:
        """What Airtable counted of our requests to this base."""
        found: dict[str, Any] = self.stack.sandbox("GET", "/airtable/_control/stats")["bases"].get(self.base, {})
        return found

    def start(self, record_id: str) -> str:
        """A trigger by the REST API; the run's id."""
        body = {"record_id": record_id, "base_id": self.base}
        answer = self.stack.post("/api/process-record", body, headers=self.bearer)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run_id"])

    def view(self, run_id: str) -> dict[str, Any]:
        """Everything about a run, as the API tells it."""
        return dict(self.stack.get(f"/api/runs/{run_id}", headers=self.bearer).json())

    def shows(self, record_id: str, status: str, table: str = "Videos", patience_s: float = 90.0) -> dict[str, Any]:
        """Wait until a row says so; another end is an error at once."""

        def there() -> dict[str, Any] | None:
            cells = self.cells(record_id, table)
            found = cells.get("Status")
            if table == "Videos" and found in ENDED and found != status and status in ENDED:
                raise AssertionError(f"{record_id} is {found}, not {status}: {cells.get('Error')}")
            return cells if found == status else None

        return dict(until(there, f"{record_id} to show {status}", patience_s, 0.1))

    def runs(self, record_id: str) -> list[dict[str, Any]]:
        answer = self.stack.get("/api/runs", params={"record_id": record_id}, headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["runs"])

    def scenes(self, record_id: str) -> list[dict[str, Any]]:
        """The row's scenes by number, each with its row's id."""
        linked = self.cells(record_id).get("Scenes", [])
        rows = [{"id": one, **self.cells(one, "Scenes")} for one in linked]
        return sorted(rows, key=lambda row: row.get("Scene #", 0))

    def versions(self, record_id: str) -> dict[int, dict[str, Any]]:
        """The kept versions of a row by the number of their run."""
        every = self.person("GET", "Versions")["records"]
        return {
            one["fields"]["Run"]: {"id": one["id"], **one["fields"]}
            for one in every
            if one["fields"].get("Video") == [record_id]
        }

    def bought(self, word: str) -> list[str]:
        """The prompts with this word that were paid for, in order."""
        bill = self.stack.sandbox("GET", "/bill")["generations"]
        return [line["prompt"] for line in bill if word in line["prompt"]]


class Browser:
    """A person's browser on the pages."""

    def __init__(self, room: Room) -> None:
        self.client = httpx.Client(base_url=room.stack.url, follow_redirects=True, timeout=60)
        self.client.headers["Accept"] = "text/html"
        page = self.client.get("/sign-in")
        self.client.post("/sign-in", data={"csrf_token": hidden(page.text, "csrf_token"), "key": room.key, "next": "/"})

    def __enter__(self) -> httpx.Client:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()


def hidden(page: str, name: str) -> str:
    """The value of a hidden field of a form."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page) or re.search(
        rf'value="([^"]*)"[^>]*name="{name}"', page
    )
    assert found, f"no {name} in {page[:400]}"
    return found.group(1)
