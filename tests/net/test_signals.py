"""One trace over all processes and a restart, and nothing of what people wrote or what opens doors in any signal."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.net.otlp_receiver import receiver
from tools.stack import BASE, TOKEN, Stack, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE}-00f067aa0ba902b7-01"
CANARY = "a lamp that nobody may read of"
FILM = {"Master Prompt": CANARY, "Scene Count": 2, "Clip Seconds": 1, "Resolution": "480p", "Model": "sora/sandbox-key"}


@pytest.mark.slow
def test_a_run_is_one_trace_over_all_processes_and_no_signal_tells_a_secret(tmp_path: Path) -> None:
    settings = {"LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
    with receiver() as collector:
        extra = settings | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with Stack(tmp_path / "var", extra=extra) as stack:
            stack.sandbox("POST", "/vendors/_control", {"generation_s": 5.0})
            record = stack.add_row(FILM)
            body = {"record_id": record, "base_id": BASE}
            run = stack.post("/api/process-record", body, headers={"traceparent": CALLER}).json()["run_id"]
            until(lambda: stack.get(f"/api/runs/{run}").json()["status"] == "generating", "a clip to be bought")
            stack.services["worker"].stop(signal.SIGKILL)
            stack.start("worker")
            view = stack.wait_run(run)
            assert view["status"] == "done", view["error"]
            row = until(lambda: told if (told := stack.row(record)).get("Final Video") else None, "the row")
            refused = stack.post("/api/process-record", {"record_id": CANARY, "base_id": BASE})
            assert stack.get(urlsplit(row["Video URL"]).path).status_code == 200
            metrics = stack.get("/metrics").text
            until(lambda: "run" in names(collector.spans), "the run's own span")
            secrets = {**opening_doors(stack), **signed(view, row)}
    assert {"POST /api/process-record", "step runs", "step generations", "step cuts", "run"} <= names(collector.spans)
    logs = "".join((stack.var / f"{name}.log").read_text() for name in ("web", "worker"))
    assert TRACE in logs
    signals = {"spans": collector.raw.decode(errors="replace"), "logs": logs, "metrics": metrics}
    found = [(name, what) for name, text in signals.items() for what, secret in secrets.items() if secret in text]
    assert found == []
    assert "/media/" in logs
    assert re.findall(r"/media/[\w.-]{20,}", logs) == [], "Airtable has fetched the film by a signed link"
    assert refused.status_code == 422
    assert not [what for what, secret in secrets.items() if what != "prompt" and secret in refused.text]


def names(spans: list[Any]) -> set[str]:
    """Of this trace."""
    return {span.name for span in list(spans) if span.trace_id.hex() == TRACE}


def opening_doors(stack: Stack) -> dict[str, str]:
    """Keys of ours and of vendors, by their settings."""
    wanted = re.compile(r"KEY$|SECRET$")
    keys = {name: value for name, value in stack.settings().items() if wanted.search(name)}
    return {**keys, "AIRTABLE_API_KEY": TOKEN, "prompt": CANARY}


def signed(view: dict[str, Any], row: dict[str, Any]) -> dict[str, str]:
    """What opens a page or a film in the links of a run and its row."""
    links = {"page": view["page_url"], "row's page": row["Progress Page"], "decide": row.get("Decide") or ""}
    found = {name: urlsplit(link).query for name, link in links.items() if urlsplit(link).query}
    return {**found, "film": urlsplit(row["Video URL"]).path.rpartition("/")[2]}
