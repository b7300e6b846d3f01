"""`flask doctor --live` buys one clip of a provider that is really asked, and only where that is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result

from pipelines.stages.decisions import control
from pipelines.stages.spending import audit
from tests.web.web_fixtures import WebHarness

CATALOGUE = Path(__file__).parents[2] / "pipelines" / "sandbox" / "catalogue.toml"
WITHOUT_AIRTABLE = {"AIRTABLE_API_KEY": "", "AIRTABLE_BASE_ID": ""}


class Shop(WebHarness):
    """On this machine, with a provider that sends bills."""

    def bill(self) -> list[dict[str, Any]]:
        assert self.sandbox
        return list(httpx.get(f"{self.sandbox.url}/bill", timeout=60.0).json()["generations"])

    def open(self, **environ: str) -> None:
        assert self.sandbox
        provider = {
            "SORA_API_KEY": "sk-sandbox",
            "SORA_BASE_URL": f"{self.sandbox.url}/openai/v1",
            "CATALOGUE": str(CATALOGUE),
            "VIDEO_MODEL": "sora/sandbox-list",
        }
        self.start({**WITHOUT_AIRTABLE, **provider, **environ})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, WITHOUT_AIRTABLE, airtable=True) as made:
        made.open()
        yield made


def doctor(shop: Shop, *words: str, stdin: str | None = None) -> Result:
    return shop.app.test_cli_runner().invoke(args=["doctor", "--live", *words], input=stdin)


def last(done: Result) -> dict[str, Any]:
    return dict(json.loads(done.stdout)[-1])


@pytest.mark.slow
def test_the_price_is_said_and_asked_for_and_the_books_know_the_clip(shop: Shop) -> None:
    refused = doctor(shop, stdin="n\n")
    assert refused.exit_code == 1
    assert "1 s of sora/sandbox-" in refused.output
    assert "at most $0.10" in refused.output
    assert shop.bill() == []
    assert shop.runs() == []

    done = doctor(shop, "--json", "--yes", "--model", "sora/sandbox-list")
    found = last(done)
    assert done.exit_code == 0, done.output
    assert (found["name"], found["ok"]) == ("live purchase", True)
    assert "for $0.1000: http" in found["sentence"]
    (line,) = shop.bill()
    assert (line["charged"], line["usd"]) == (True, pytest.approx(0.1))
    with shop.store.read() as tx:
        books = audit.audit(tx, everything=True)
    assert books.problems == ()
    assert books.sums["spent"] == 100_000

    again = doctor(shop, "--yes", "--model", "sora/sandbox-list")
    assert again.exit_code == 0
    assert len(shop.bill()) == 2, "a clip that is there already proves nothing"


@pytest.mark.slow
def test_nothing_is_bought_where_it_may_not_be_or_where_something_is_broken(shop: Shop) -> None:
    control.set_stop(shop.services, on=True, reason="night", actor="test")
    stopped = doctor(shop, "--yes", "--json")
    assert "nothing was bought. Spending is stopped (night)" in last(stopped)["sentence"]
    control.set_stop(shop.services, on=False, reason="", actor="test")

    for limit in ("MAX_COST_PER_DAY_USD", "MAX_COST_PER_RUN_USD"):
        shop.open(**{limit: "0.05"})
        refused = last(doctor(shop, "--yes", "--json"))
        assert "leaves $0.05 of $0.05" in refused["sentence"], limit

    shop.open(MAX_COST_PER_DAY_USD="1", SORA_BASE_URL="http://127.0.0.1:9/v1")
    broken = doctor(shop, "--yes", "--json")
    assert "first mend provider sora" in last(broken)["sentence"]
    assert broken.exit_code == 1
    shop.open()
    unknown = last(doctor(shop, "--yes", "--json", "--model", "sora/none"))
    assert "sora/none cannot be ordered here" in unknown["sentence"]
    assert shop.bill() == []
    assert shop.runs() == []
    assert shop.app.test_cli_runner().invoke(args=["doctor", "--yes"]).exit_code == 2


@pytest.mark.slow
def test_an_approval_of_everything_is_given_by_the_answer(shop: Shop) -> None:
    shop.open(APPROVAL="always")
    done = doctor(shop, "--json", "--model", "sora/sandbox-list", stdin="y\n")
    assert done.exit_code == 0, done.output
    assert len(shop.bill()) == 1


@pytest.mark.slow
def test_without_a_provider_the_free_model_is_tried(tmp_path: Path) -> None:
    with WebHarness(tmp_path, WITHOUT_AIRTABLE) as harness:
        done = harness.app.test_cli_runner().invoke(args=["doctor", "--live", "--yes"])
        assert done.exit_code == 0, done.output
        assert "local/animatic" in done.output
        assert "for $0.0000" in done.output
