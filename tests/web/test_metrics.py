"""What the metrics tell of films and requests, and that a scrape does not cost more because much was made before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from pipelines.database import SqlStore
from pipelines.domain.customers.notices import Attempt
from pipelines.domain.lifecycle import GenerationStatus, Reason, RunStatus
from pipelines.domain.records import Event, Kind, PaymentStatus, Run
from pipelines.domain.state.history import EventDetail
from pipelines.stages.commerce import payments, top_ups
from pipelines.stages.kernel.transitions import Actor, record
from pipelines.stages.scheduler import steps
from pipelines.stages.spending import credit_book
from tests.web.test_health import metrics
from tests.web.two_accounts import MARK, belongings, customer
from tests.web.web_fixtures import BEARER, OUTSIDE, SORA, WebHarness
from webapp.access import rules
from webapp.access.rules import Door, Owner, Rule
from webapp.metrics.event_counters import EventCounters

_R, _G = RunStatus, GenerationStatus
SCRAPED_S = 60.0


def moved(run_id: str, at: float, *statuses: str, entity: str = "run", entity_id: str | None = None) -> list[Event]:
    """One status after the other, ten seconds apart."""
    pairs = zip((None, *statuses), statuses, strict=False)
    one = Event(at=at, entity=entity, entity_id=entity_id or run_id, run_id=run_id, name="status")
    return [replace(one, at=at + 10.0 * step, old=old, new=new) for step, (old, new) in enumerate(pairs)]


def a_film(harness: WebHarness, run_id: str, *, ends: str = "done") -> None:
    now = harness.clock.now()
    harness.put(Run(id=run_id, status=_R(ends), source="rest"), harness.scene(run_id))
    harness.put(*moved(run_id, now, "queued", "generating", "stitching", ends))


def scrape(harness: WebHarness) -> dict[str, float]:
    harness.clock.shift += SCRAPED_S
    return metrics(harness)


def test_films_are_counted_by_their_end_and_timed_by_stage(harness: WebHarness) -> None:
    a_film(harness, "run_a")
    a_film(harness, "run_b", ends="failed")
    for found in (scrape(harness), scrape(harness)):
        assert found['reelgrid_runs_ended_total{status="done"}'] == 1, "once, however often it is asked"
        assert found['reelgrid_runs_ended_total{status="failed"}'] == 1
        assert found['reelgrid_stage_duration_seconds_count{stage="generating"}'] == 2
        assert found['reelgrid_stage_duration_seconds_sum{stage="generating"}'] == pytest.approx(20.0)
        assert found['reelgrid_stage_duration_seconds_bucket{le="5.0",stage="stitching"}'] == 0
        assert found['reelgrid_stage_duration_seconds_bucket{le="15.0",stage="stitching"}'] == 2


def test_a_stage_that_began_before_the_last_scrape_is_timed_from_its_begin(harness: WebHarness) -> None:
    now = harness.clock.now()
    harness.put(Run(id="run_a", status=_R.STITCHING, source="rest"), *moved("run_a", now, "queued", "generating"))
    scrape(harness)
    later = Event(
        at=now + 310.0,
        entity="run",
        entity_id="run_a",
        run_id="run_a",
        name="status",
        old="generating",
        new="stitching",
    )
    harness.put(later)
    harness.clock.shift += 300.0
    assert scrape(harness)['reelgrid_stage_duration_seconds_sum{stage="generating"}'] == pytest.approx(300.0)


def test_a_process_in_the_place_of_one_that_died_counts_from_its_begin(harness: WebHarness) -> None:
    """gunicorn makes the application once, and forks whoever serves."""
    counters = EventCounters(harness.services)
    a_film(harness, "run_a")
    harness.clock.shift += SCRAPED_S
    counters.begin_anew()
    a_film(harness, "run_b")
    harness.clock.shift += SCRAPED_S
    ended = [sample.value for family in counters.collect() for sample in family.samples if "runs_ended" in sample.name]
    assert ended == [1.0]


def test_clips_are_counted_by_model_and_outcome(harness: WebHarness) -> None:
    now = harness.clock.now()
    harness.put(Run(id="run_a", status=_R.DONE, source="rest"), harness.scene("run_a"))
    other = {"id": "gen_2", "idem_key": "idem-2", "callback_token": "token-2", "provider_id": "video_2"}
    harness.put(harness.generation("run_a", status=_G.FETCHED, intent_at=now - 90.0))
    harness.put(harness.generation("run_a", status=_G.FAILED, reason=Reason.REFUSED, **other))
    harness.put(*moved("run_a", now - 10, "running", "succeeded", "fetched", entity="generation", entity_id="gen_1"))
    harness.put(*moved("run_a", now, "running", "failed", entity="generation", entity_id="gen_2"))
    found = scrape(harness)
    assert found['reelgrid_generations_ended_total{model="sora/sora-2",outcome="fetched"}'] == 1
    assert found['reelgrid_generations_ended_total{model="sora/sora-2",outcome="refused"}'] == 1
    assert found['reelgrid_generation_duration_seconds_sum{model="sora/sora-2"}'] == pytest.approx(90.0)


def test_calls_to_airtable_and_faults_of_workers_are_told_by_what_they_are(harness: WebHarness) -> None:
    now = harness.clock.now()
    call = EventDetail(verb="PATCH", what="rows")
    harness.put(Event(at=now, entity="airtable", entity_id="app1", run_id=None, name="call", detail=call))
    harness.put(Run(id="run_a", status=_R.GENERATING, source="rest", next_at=now))
    assert harness.store.claim("runs", "run_a", owner=harness.services.owner, now=now + 1, seconds=60)
    steps.record_failure(harness.services, Kind.RUN, "run_a", ZeroDivisionError("a fault of ours"))
    found = scrape(harness)
    assert found['reelgrid_airtable_calls_total{action="rows",verb="PATCH"}'] == 1
    assert found['reelgrid_defects_total{where="runs"}'] == 1
    assert found['reelgrid_due_rows{kind="runs"}'] == 1


@pytest.mark.logs_errors
def test_requests_are_timed_by_their_pattern_and_faults_are_counted(harness: WebHarness) -> None:
    fault = rules.attach(Rule(Door.PUBLIC, Owner.NOBODY))(lambda: str(1 // 0))
    harness.app.add_url_rule("/fault", "fault", fault)
    assert harness.client.get("/fault").status_code == 500
    harness.finished("run_a")
    assert harness.get("/api/runs/run_a").status_code == 200
    assert harness.get("/api/runs/run_of_nobody").status_code == 404
    assert harness.get("/no/such/page").status_code == 404
    found = scrape(harness)
    route = 'method="GET",route="/api/runs/<run_id>"'
    assert found[f'reelgrid_http_request_duration_seconds_count{{{route},status="2xx"}}'] == 1
    assert found[f'reelgrid_http_request_duration_seconds_count{{{route},status="4xx"}}'] == 1
    assert found['reelgrid_http_request_duration_seconds_count{method="GET",route="none",status="4xx"}'] == 1
    assert found['reelgrid_defects_total{where="web"}'] == 1
    assert not any("run_a" in name or "no/such" in name for name in found)


def test_inbound_webhooks_are_told_by_sender_and_verdict(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**OUTSIDE, "STRIPE_WEBHOOK_SECRET": "whsec_of_this_test_only"}) as harness:
        own = ("airtable", "start/a-key-of-nobody", "video/a-token-of-nobody", "stripe")
        for address in ("kie/a-token-of-nobody", "made-up-by-a-stranger", "openai", *own):
            harness.client.post(f"/api/webhook/{address}", json={"data": {"taskId": "x"}})
        counts = {name: value for name, value in scrape(harness).items() if "webhook_duration_seconds_count" in name}
    assert sum(counts.values()) == 7
    senders = {name.partition('sender="')[2].partition('"')[0] for name in counts}
    # Whatever address somebody makes up, it is no label.
    assert senders == {"kie", "openai", "unknown", "airtable", "start", "video", "stripe"}
    assert not any('verdict="believed"' in name for name in counts)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[WebHarness]:
    """A deployment with a model that costs something."""
    with WebHarness(tmp_path, {**OUTSIDE, **SORA}) as made:
        yield made


def test_what_customers_pay_are_refused_and_are_told_is_counted(shop: WebHarness) -> None:
    now, who = shop.clock.now(), customer(shop, "ada")
    belongings(shop, who)
    with shop.store.write() as tx:
        tx.attempts.add(Attempt(id="att_1", notice_id=f"msg_{MARK}", at=now, code=500))
        tx.attempts.add(Attempt(id="att_2", notice_id=f"msg_{MARK}", at=now + 1))
        for status in (PaymentStatus.SETTLING, PaymentStatus.PAID):
            record(tx, Actor(payments.X402, now), payments.ENTITY, "pay_1", None, "status", None, status)
        record(tx, Actor(top_ups.STRIPE, now), payments.ENTITY, "cs_1", None, "paid")
        record(tx, Actor("worker", now), credit_book.REFUSED, "queued", None, credit_book.REFUSED)
    dear = {"prompt": "A fox at dawn.", "model": "sora/sora-2", "seconds": 12}
    assert shop.client.post("/api/generate-video", json=dear, headers=who.headers).status_code == 402
    counted = {
        'credits_usd_total{posting="grant"}': 1.0,
        'credits_usd_total{posting="capture"}': pytest.approx(0.7),
        "reserved_credits_usd": 0.0,
        'notice_attempts_total{code="500"}': 1,
        'notice_attempts_total{code="none"}': 1,
        'notices{status="failed"}': 1,
        'notices{status="waiting"}': 0,
        'payments_total{rail="x402",status="settling"}': 1,
        'payments_total{rail="x402",status="paid"}': 1,
        'payments_total{rail="stripe",status="paid"}': 1,
        'credit_refusals_total{step="queued"}': 1,
        'credit_refusals_total{step="generate_video"}': 1,
        'refusals_total{code="insufficient_credits"}': 1,
        'occupied_threads{by="waiting"}': 0,
        'occupied_threads{by="downloads"}': 0,
    }
    for found in (scrape(shop), scrape(shop)):
        assert {name: found.get(f"reelgrid_{name}") for name in counted} == counted


def test_a_scrape_asks_as_much_however_much_was_made_before(harness: WebHarness) -> None:
    def asked() -> int:
        statements: list[str] = []

        def listen(*told: Any) -> None:
            statements.append(told[2])

        assert isinstance(harness.store, SqlStore)
        event.listen(harness.store.engine, "before_cursor_execute", listen)
        assert harness.client.get("/metrics", headers=BEARER).status_code == 200
        event.remove(harness.store.engine, "before_cursor_execute", listen)
        return len(statements)

    scrape(harness)
    little = asked()
    for number in range(30):
        a_film(harness, f"run_{number}")
    scrape(harness)
    assert asked() == little
