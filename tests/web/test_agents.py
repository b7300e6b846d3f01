"""The agents' door: a tool is an operation of the API, with its rights, its limits and its answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from werkzeug.serving import make_server

from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import Run
from pipelines.stages.scheduler import steps
from tests.web.test_isolation import said
from tests.web.two_accounts import MARK, UNKNOWN, belongings, customer
from tests.web.web_fixtures import BEARER, KEY, OUTSIDE, SORA, WebHarness
from webapp.agents import tools
from webapp.api import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "agents.md"
META = "io.modelcontextprotocol/"
ENVELOPE = {f"{META}protocolVersion": "2026-07-28", f"{META}clientCapabilities": {}}
PAID = {"prompt": "A fox at dawn.", "model": "sora/sora-2", "seconds": 4}
FREE = {"prompt": "A fox at dawn.", "model": "local/animatic", "seconds": 2}


@pytest.fixture
def paid(tmp_path: Path) -> Iterator[WebHarness]:
    """With a vendor that costs money."""
    with WebHarness(tmp_path, {**OUTSIDE, **SORA}) as made:
        yield made


def rpc(harness: WebHarness, method: str, params: Any = None, headers: dict[str, str] = BEARER, **more: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **more}
    return harness.client.post("/mcp", json=message, headers=headers)


def call(harness: WebHarness, tool: str, arguments: dict[str, Any], headers: dict[str, str] = BEARER) -> Any:
    """The result of a tool, held against the schema that was promised."""
    answer = rpc(harness, "tools/call", {"name": tool, "arguments": arguments}, headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    result = answer.json["result"]
    if not result["isError"]:
        schema = next(one["outputSchema"] for one in tools.listed() if one["name"] == tool)
        Draft202012Validator(schema).validate(result["structuredContent"])
    return result


def test_tools_are_the_operations_of_the_api() -> None:
    """Each with plain schemas: models that choose tools understand neither references nor alternatives at the root."""
    listed = {tool["name"]: tool for tool in tools.listed()}
    orders = {"estimate", "generate_video", "make_film"}
    assert set(listed) == orders | {"get_run", "search_films", "list_models", "cancel_run", "get_credits"}
    operations = {entry.name for entry in OPERATIONS}
    for name, tool in listed.items():
        schema = tool["inputSchema"]
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"anyOf", "oneOf", "$ref"} & schema.keys()
        assert "dry_run" not in schema["properties"]
        assert tools.offered()[name].name in operations
        spends = not tool["annotations"]["readOnlyHint"] and not tool["annotations"]["destructiveHint"]
        assert spends == (name in {"generate_video", "make_film"}) == ("max_price_usd" in schema["required"])
        assert ("max_cost_usd" in schema["properties"]) == (name == "estimate")
    assert listed["get_run"]["inputSchema"]["properties"]["wait"]["maximum"] == 25


def test_what_spends_needs_a_ceiling_and_keeps_to_it(paid: WebHarness) -> None:
    without = call(paid, "generate_video", PAID)
    assert without["isError"]
    assert without["structuredContent"]["errors"] == [{"field": "max_price_usd", "message": "is required."}]
    quote = call(paid, "estimate", PAID)["structuredContent"]["quote_usd"]
    low = call(paid, "generate_video", {**PAID, "max_price_usd": quote / 2})
    assert (low["isError"], low["structuredContent"]["status"]) == (True, 402)
    assert low["structuredContent"]["errors"][0]["field"] == "max_price_usd"
    hidden = call(paid, "generate_video", {**PAID, "max_price_usd": quote, "max_cost_usd": 100})
    assert hidden["structuredContent"]["errors"][0]["field"] == "max_cost_usd"
    assert paid.runs() == []
    made = call(paid, "generate_video", {**PAID, "max_price_usd": quote})["structuredContent"]
    order = paid.run(made["run_id"]).order
    assert order
    assert order.max_cost_micro == round(quote * 1_000_000)


def test_every_problem_is_named_and_an_order_sent_again_is_made_once(harness: WebHarness) -> None:
    wrong = call(harness, "make_film", {"scene_count": 0, "secnds": 4})["structuredContent"]
    assert {problem["field"] for problem in wrong["errors"]} == {
        *("max_price_usd", "master_prompt", "scene_count", "secnds"),
    }
    order = {**FREE, "max_price_usd": 1, "idempotency_key": "fox"}
    first, second = (call(harness, "generate_video", order)["structuredContent"] for _ in range(2))
    assert first == second
    other = call(harness, "generate_video", {**order, "prompt": "Another fox."})["structuredContent"]
    assert other["status"] == 422
    assert len(harness.runs()) == 1
    cancelled = call(harness, "cancel_run", {"run_id": first["run_id"]})["structuredContent"]
    assert cancelled["status"] == "cancelled"
    assert call(harness, "get_run", {"run_id": first["run_id"], "wait": 25})["structuredContent"] == cancelled
    assert call(harness, "get_run", {})["structuredContent"]["errors"][0]["field"] == "run_id"
    assert call(harness, "list_models", {"limit": 1})["structuredContent"]["next_cursor"] == "1"


def test_rights_and_owners_count_for_every_tool(harness: WebHarness) -> None:
    """Another's id is answered like one that nobody has; a key that may only read starts nothing."""
    first, second = customer(harness, MARK), customer(harness, "second")
    reader = customer(harness, "reader", "read")
    ids = belongings(harness, first)
    for name, entry in tools.offered().items():
        named = {argument: ids[argument] for argument in entry.path_names}
        if name == "estimate":
            named = {key: ids[key] for key in ("record_id", "base_id")}
        if not named:
            continue
        unknown = {argument: UNKNOWN[argument] for argument in named}
        theirs = call(harness, name, named, second.headers)
        assert theirs["isError"]
        text = said(_Said(theirs["content"][0]["text"]), ids)
        assert text == said(_Said(call(harness, name, unknown, second.headers)["content"][0]["text"]), UNKNOWN)
        assert MARK not in text[1].lower()
    assert not call(harness, "get_run", {"run_id": ids["run_id"]}, first.headers)["isError"]
    before = len(harness.runs())
    for name, entry in tools.offered().items():
        if entry.rule.scope == "trigger":
            refused = call(harness, name, {"run_id": ids["run_id"]} if entry.path_names else {}, reader.headers)
            assert refused["structuredContent"]["status"] == 403, name
    mine = call(harness, "generate_video", {**FREE, "max_price_usd": 1}, second.headers)["structuredContent"]
    assert harness.run(mine["run_id"]).account_id == second.account_id
    assert len(harness.runs()) == before + 1


class _Said:
    """A tool's text, as `said` takes an answer."""

    def __init__(self, text: str) -> None:
        self.text, self.status_code, self.headers = text, 200, dict[str, str]()

    def get_data(self, *, as_text: bool) -> str:
        assert as_text
        return self.text


def test_who_may_speak_and_how(harness: WebHarness) -> None:
    refused = rpc(harness, "tools/list", headers={})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    foreign = rpc(harness, "tools/list", headers={**BEARER, "Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert rpc(harness, "tools/list", headers={**BEARER, "Origin": "https://films.example.com"}).status_code == 200
    for method in ("GET", "DELETE"):
        answer = harness.client.open("/mcp", method=method, headers=BEARER)
        assert (answer.status_code, "POST" in answer.headers["Allow"]) == (405, True)
    told = harness.client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=BEARER)
    assert (told.status_code, told.data) == (202, b"")


def test_a_message_that_is_wrong_is_an_error_of_its_era(harness: WebHarness) -> None:
    def code(answer: Any) -> tuple[int, int]:
        return answer.status_code, answer.json["error"]["code"]

    assert code(harness.client.post("/mcp", data=b"{", headers=BEARER, content_type="application/json")) == (
        400,
        -32700,
    )
    assert code(harness.client.post("/mcp", json=[], headers=BEARER)) == (400, -32700)
    assert code(rpc(harness, "tools/list", id=None)) == (400, -32600)
    assert code(rpc(harness, "tools/list", jsonrpc="1.0")) == (400, -32600)
    assert code(rpc(harness, "tools/call", {"name": "forget_everything"})) == (400, -32602)
    assert code(rpc(harness, "tools/call", {"name": "get_run", "arguments": []})) == (400, -32602)
    assert code(rpc(harness, "resources/list")) == (200, -32601)
    agreed = rpc(harness, "initialize", {"protocolVersion": "2025-06-18"}).json["result"]
    assert agreed["protocolVersion"] == "2025-06-18"
    assert (
        rpc(harness, "initialize", {"protocolVersion": "1999-01-01"}).json["result"]["protocolVersion"] == "2025-11-25"
    )

    def modern(method: str, params: dict[str, Any], **headers: str) -> Any:
        told = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        sent = {**BEARER, **told, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return rpc(harness, method, {"_meta": ENVELOPE, **params}, sent)

    found = modern("server/discover", {}).json["result"]
    assert (found["resultType"], found["supportedVersions"][0]) == ("complete", "2026-07-28")
    assert code(modern("resources/list", {})) == (404, -32601)
    assert code(modern("tools/list", {}, Mcp_Method="tools/call")) == (400, -32020)
    assert code(modern("tools/call", {"name": "list_models"}, Mcp_Name="estimate")) == (400, -32020)
    encoded = modern("tools/call", {"name": "list_models"}, Mcp_Name="=?base64?bGlzdF9tb2RlbHM=?=")
    assert encoded.json["result"]["resultType"] == "complete"
    assert code(modern("tools/list", {"_meta": {}})) == (400, -32602)
    later = {**ENVELOPE, f"{META}protocolVersion": "2031-01-01"}
    unknown = modern("tools/list", {"_meta": later}, MCP_Protocol_Version="2031-01-01")
    assert code(unknown) == (400, -32022)
    assert unknown.json["error"]["data"]["supported"] == ["2026-07-28"]


def test_llms_txt_names_every_tool_and_route(harness: WebHarness) -> None:
    answer = harness.client.get("/llms.txt")
    text = answer.get_data(as_text=True)
    assert answer.mimetype == "text/plain"
    assert text.startswith("# Reelgrid\n\n> ")
    assert "https://films.example.com/openapi.json" in text
    for entry in OPERATIONS:
        assert f"`{entry.method} {entry.path}`" in text
    for name in tools.offered():
        assert f"- `{name}`: " in text
    assert "x402" not in text


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
def test_an_agent_orders_a_film_as_the_how_to_says(harness: WebHarness, mode: str, tmp_path: Path) -> None:
    """Its program, with the official client, in both eras; the run is worked on meanwhile."""
    (program,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    assert "Client(server)" in program
    script = tmp_path / "agent.py"
    script.write_text(program.replace("Client(server)", f"Client(server, mode={mode!r})"))
    server = make_server("127.0.0.1", 0, harness.app, threaded=True)
    over = threading.Event()
    threads = [
        threading.Thread(target=server.serve_forever, daemon=True),
        threading.Thread(target=work, args=(harness, over), daemon=True),
    ]
    for thread in threads:
        thread.start()
    environ = {"PATH": os.environ["PATH"], "URL": f"http://127.0.0.1:{server.port}", "KEY": KEY}
    try:
        done = subprocess.run(
            [sys.executable, script], env=environ, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        over.set()
        server.shutdown()
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first == "at most 0.0 USD"
    assert last.startswith("done ['https://films.example.com/v/")
    (run,) = harness.runs()
    assert run.order
    assert (run.status, run.order.max_cost_micro) == (RunStatus.DONE, 5_000_000)


def work(harness: WebHarness, over: threading.Event) -> None:
    """What the worker does."""

    def seen(_: Run) -> None:
        """Nobody is told."""

    while not over.wait(0.1):
        for run in harness.runs():
            steps.drive(harness.services, run.id, on_change=seen)
