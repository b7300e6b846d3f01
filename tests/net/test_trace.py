"""One trace from the request to the end of the run, over processes, through SQL; and none of what people wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.net import telemetry
from pipelines.ports import log_context, trace
from pipelines.settings import load_settings
from tests.net.otlp_receiver import Receiver, receiver, told
from tests.stages.doubt_fixtures import order
from tests.stages.stage_fixtures import StageHarness
from tests.web.web_fixtures import OUTSIDE, WebHarness
from tools.stack import ROOT

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = f"00-{TRACE}-{SPAN}-01"
CANARY = "a lamp that nobody may read of"
STEP = "import sys; from worker.step import step; step(sys.argv[1], sys.argv[2])"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    """A collector, and afterwards no tracer."""
    with receiver() as made:
        yield made
        trace.install(None)


def starts(folder: Path, collector: Receiver) -> None:
    """What every process does after it was forked."""
    trace.flush()
    telemetry.start(load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, folder))


def test_a_run_is_one_trace_from_its_request_to_its_end_through_a_restart(tmp_path: Path, collector: Receiver) -> None:
    harness = StageHarness.build(tmp_path)
    starts(tmp_path, collector)
    with trace.within(CALLER):
        run_id = order(harness, CANARY)
    harness.work()
    starts(tmp_path, collector)
    run = harness.until(run_id, "done")
    trace.flush()
    assert run.traceparent == CALLER
    ours = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    assert {"step runs", "step generations", "generate_content acme/film", "run"} <= {span.name for span in ours}
    parents = {span.name: span.parent_span_id.hex() for span in ours}
    assert (parents["step runs"], parents["run"]) == (SPAN, SPAN)
    bought = collector.one("generate_content acme/film")
    assert bought.parent_span_id in {span.span_id for span in collector.named("step generations")}
    about = told(bought)
    assert about["gen_ai.operation.name"] == "generate_content"
    assert about["gen_ai.request.model"] == "film"
    assert about["gen_ai.response.id"] == "acme-1"
    assert about["reelgrid.run.id"] == run_id
    assert about["reelgrid.quote_usd"] == pytest.approx(0.4)
    whole = collector.one("run")
    assert whole.end_time_unix_nano - whole.start_time_unix_nano > 5e9, "with the run's own moments"
    sweep = collector.named("poll")[0]
    assert sweep.trace_id.hex() != TRACE
    assert [link.trace_id.hex() for link in sweep.links] == [TRACE], "a sweep is about many runs: linked, in no trace"
    assert CANARY.encode() not in collector.raw


def test_a_failed_purchase_is_told_by_the_type_of_its_error(tmp_path: Path, collector: Receiver) -> None:
    from pipelines.testing import Outcome

    harness = StageHarness.build(tmp_path)
    harness.vendor().script("lamp", Outcome.REFUSE)
    starts(tmp_path, collector)
    harness.until(order(harness, CANARY), "needs_attention", "done")
    trace.flush()
    assert told(collector.named("generate_content acme/film")[0])["error.type"] == "Refused"
    assert CANARY.encode() not in collector.raw


def test_from_the_web_through_sql_into_another_process(tmp_path: Path, collector: Receiver) -> None:
    environ = {**OUTSIDE, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with WebHarness(tmp_path, environ) as harness:
        body = {"master_prompt": CANARY, "scene_count": 1, "model": "local/animatic"}
        answer = harness.post("/api/process-master-prompt", body, headers={"traceparent": CALLER})
        run = harness.run(answer.get_json()["run_id"])
        trace.flush()
    asked = collector.one("POST /api/process-master-prompt")
    assert (asked.trace_id.hex(), asked.parent_span_id.hex()) == (TRACE, SPAN)
    assert told(asked)["http.response.status_code"] == 202
    assert run.traceparent == f"00-{TRACE}-{asked.span_id.hex()}-01"
    environ |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
    program = "from pipelines.net import configure_logging; configure_logging('DEBUG', 'json');" + STEP
    done = subprocess.run(
        [sys.executable, "-c", program, "runs", run.id],
        check=False,
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    step = collector.one("step runs")
    assert (step.trace_id.hex(), step.parent_span_id) == (TRACE, asked.span_id)
    lines = [json.loads(line) for line in done.stdout.splitlines() if run.id in line]
    assert {line["trace_id"] for line in lines if line["message"].startswith("point ")} == {TRACE}


@pytest.mark.parametrize(
    "header", [None, "", "hello", CALLER.replace(TRACE, "0" * 32), "ff" + CALLER[2:], CALLER + "-x"]
)
def test_without_the_sdk_runs_belong_to_a_trace_all_the_same(tmp_path: Path, header: str | None) -> None:
    with WebHarness(tmp_path) as harness:
        body = {"master_prompt": "A lamp", "model": "local/animatic"}
        known = harness.post("/api/process-master-prompt", body, headers={"traceparent": CALLER})
        other = harness.post("/api/process-master-prompt", body, headers={"traceparent": header} if header else {})
        runs = [harness.run(answer.get_json()["run_id"]) for answer in (known, other)]
    assert runs[0].traceparent == CALLER
    assert trace.accepted(runs[1].traceparent) == runs[1].traceparent
    assert TRACE not in str(runs[1].traceparent)


def test_what_is_set_but_not_installed_is_said_and_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, tmp_path)
    blocked = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("opentelemetry.exporter")}
    sys.modules["opentelemetry.exporter"] = None  # type: ignore[assignment]
    try:
        telemetry.start(settings)
    finally:
        sys.modules.pop("opentelemetry.exporter")
        sys.modules.update(blocked)
    assert "requirements-otel.txt" in caplog.text
    assert not trace.is_on()


def test_a_span_that_nobody_sends_costs_microseconds() -> None:
    log_context.begin()
    began, rounds = time.process_time(), 2_000
    for _ in range(rounds):
        trace.begin(trace.accepted(None) or trace.new())
        with trace.span("step", {}):
            pass
    assert (time.process_time() - began) / rounds < 50e-6, "about 5 µs on a quiet machine"
