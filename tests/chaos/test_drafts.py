"""Everything is killed between a draft and the clip that is made from it: both are bought once, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import IN_FLIGHT, GenerationStatus, RunStatus
from tools.chaos.killer import children, kill
from tools.chaos.product import ProductStack, product_stack
from tools.stack import BASE, PATIENCE_S, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("chaos"), pytest.mark.slow]
MODEL = "byteplus/dreamina-seedance-2-5-260628"
SLOW_S = 5.0
"""So long a job takes: long enough to be killed while it is made."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ProductStack]:
    with product_stack(tmp_path / "var") as made:
        made.stack.sandbox("POST", "/vendors/_control", {"generation_s": SLOW_S})
        yield made


def die(place: ProductStack) -> None:
    """SIGKILL to web, supervisor, pump, workers and what they forked; then a platform starts them again."""
    for worker in place.processes.of("worker"):
        for horse in children(worker):
            kill(horse)
    for name in ("worker", "web"):
        place.stack.services[name].stop(signal.SIGKILL)
        place.stack.start(name)
    place.stack.wait_ready()


def in_flight(place: ProductStack, run_id: str) -> bool:
    with place.store.read() as tx:
        return tx.generations.count(run_id=run_id, status=tuple(IN_FLIGHT)) == 1


def has_draft(place: ProductStack, run_id: str) -> bool:
    with place.store.read() as tx:
        return tx.generations.count(run_id=run_id, status=GenerationStatus.FETCHED) == 1


def bill(place: ProductStack, mark: str) -> list[dict[str, Any]]:
    lines = place.stack.sandbox("GET", "/bill")["generations"]
    return [line for line in lines if line["charged"] and mark in line["prompt"]]


def test_a_draft_and_its_clip_are_bought_once_however_often_everything_dies(place: ProductStack) -> None:
    fields = {"Prompt": "mark-draft a heron lifts off", "Clip Seconds": 4, "Resolution": "1080p", "Model": MODEL}
    record = place.stack.add_row({"Title": "Heron", **fields, "Preview": "Draft"})
    run_id = str(place.post("/api/process-record", {"record_id": record, "base_id": BASE})["run_id"])
    until(lambda: in_flight(place, run_id), "the draft at the vendor", PATIENCE_S, 0.1)
    die(place)
    until(lambda: has_draft(place, run_id), "the draft", PATIENCE_S, 0.2)
    # Between the draft and somebody's yes.
    die(place)
    until(lambda: "look at the drafts" in str(place.stack.row(record).get("Status Detail")), "the question", PATIENCE_S)
    assert place.run(run_id).status is RunStatus.NEEDS_APPROVAL
    (draft,) = bill(place, "mark-draft")
    assert draft["draft"] is True
    place.stack.post(f"/api/runs/{run_id}/approve").raise_for_status()
    until(lambda: in_flight(place, run_id), "the clip at the vendor", PATIENCE_S, 0.1)
    die(place)
    place.done(run_id)
    (made,) = [line for line in bill(place, "mark-draft") if line["id"] != draft["id"]]
    assert (made["draft"], made["made_from"]) == (False, draft["id"])
    until(lambda: len(place.films(record)) == 1, "the film in the row", PATIENCE_S)
    place.check_books()
