"""What was quoted, spent and not made: drawn, as tables and as a file, and to each account only its own, in Prices."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain.lifecycle import GenerationStatus, Reason, RunStatus, SceneStatus
from pipelines.domain.records import Generation, Project, Run
from pipelines.domain.stored_files import FileKind, FileTotal
from pipelines.domain.times import utc_day
from pipelines.stages.kernel.transitions import Actor, transition_generation
from pipelines.stages.spending import audit, ledger
from tests.web.two_accounts import MARK, belongings, customer, signed_in
from tests.web.web_fixtures import WebHarness

G = GenerationStatus
FORMULA = '=HYPERLINK("https://evil.example";"go")'


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WebHarness]:
    with WebHarness(tmp_path, {}) as made:
        yield made


def bought(home: WebHarness, name: str, outcome: str, **run: Any) -> Generation:
    """One clip that was ordered at sora for $0.40: paid, refused, failed or in doubt."""
    made = Run(id=f"run_{name}", status=RunStatus.GENERATING, source="rest", key_id="key_1", base_id="app1", **run)
    gen = home.generation(
        made.id, id=f"gen_{name}", status=G.PLANNED, idem_key=name, callback_token=name, provider_id=name
    )
    home.put(made, home.scene(made.id, status=SceneStatus.GENERATING), gen)
    now = home.clock.now()
    actor = Actor("test", now)
    with home.store.write() as tx:
        ledger.hold(tx, now, made, 400_000, home.services.policy)
        ledger.reserve(tx, now, made, gen)
        for status in (G.SUBMITTING, G.SUBMITTED, G.RUNNING):
            gen = transition_generation(tx, actor, gen, status)
        if outcome == "paid":
            gen = transition_generation(tx, actor, gen, G.SUCCEEDED)
            gen = transition_generation(tx, actor, gen, G.FETCHED, cost_micro=360_000)
            ledger.capture(tx, now, made, gen, 360_000, 4.0)
        elif outcome == "in doubt":
            tx.generations.change(gen.id, status=G.UNKNOWN)
        else:
            reason = Reason.REFUSED if outcome == "refused" else Reason.PROVIDER_ERROR
            transition_generation(tx, actor, gen, G.FAILED, reason=reason)
            ledger.free(tx, now, made, gen)
    return gen


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))


def test_page_file_and_ledger_say_the_same(home: WebHarness) -> None:
    with home.store.write() as tx:
        tx.projects.add(Project(id="prj_1", name=FORMULA))
    for name, outcome in (("a", "paid"), ("b", "paid"), ("c", "refused"), ("d", "failed"), ("e", "in doubt")):
        bought(home, name, outcome, record_id=f"rec{name}", project_id="prj_1" if name == "a" else None)
    today = utc_day(home.clock.now())
    with home.store.read() as tx:
        spent = [entry for entry in tx.ledger.find(account="spent") if entry.amount > 0]
        assert audit.audit(tx, everything=True).problems == ()
    for by in ("day", "model", "record", "key", "base", "account", "project", "day,model,project"):
        answer = home.client.get("/usage.csv", query_string={"by": by})
        found = rows_of(answer)
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert sum(float(row["spent_usd"]) for row in found) == sum(entry.amount for entry in spent) / 1e6 == 0.72
        assert sum(float(row["quoted_usd"]) for row in found) == pytest.approx(5 * 0.4)
        if by != "record":
            assert (sum(int(row["refused"]) for row in found), sum(int(row["failed"]) for row in found)) == (1, 1)
        api: Any = home.client.get("/api/usage", query_string={"by": by}).json
        assert [float(row["spent_usd"]) for row in found] == [row["spent_usd"] for row in api["rows"]]
    (day,) = rows_of(home.client.get("/usage.csv"))
    assert (day["day"], day["spent_usd"], day["seconds"], day["generations"]) == (today, "0.720000", "8", "2")
    page = html.unescape(home.client.get("/usage?by=model").get_data(as_text=True))
    for words in ("$0.72</span>", "of $2.00 quoted (36 %)", "sora/sora-2", "Quoted $2.00, spent $0.72"):
        assert words in page
    assert re.search(r"1\s+clip is in doubt", page)
    assert '<a href="/runs/run_e">' in page


def test_a_text_cannot_become_a_formula_and_a_number_stays_one(home: WebHarness) -> None:
    for n, name in enumerate((FORMULA, "+1", "-1", "@x", "\tx", "\rx", "plain")):
        with home.store.write() as tx:
            tx.projects.add(Project(id=f"prj_{n}", name=name))
        bought(home, str(n), "paid", project_id=f"prj_{n}")
    found = rows_of(home.client.get("/usage.csv?by=project"))
    cells = sorted(row["project"].strip("'\t\r") for row in found)
    assert cells == sorted([FORMULA, "+1", "-1", "@x", "x", "x", "plain"])
    assert all(row["project"].startswith("'") != (row["project"] == "plain") for row in found)
    assert {row["variance_usd"] for row in found} == {"0.000000"}


def test_the_table_holds_what_is_drawn(home: WebHarness) -> None:
    """Also where there are more models than can be told apart, and on the last day of each."""
    for n in range(6):
        gen = bought(home, str(n), "failed")
        with home.store.write() as tx:
            run = tx.runs.get(gen.run_id)
            assert run
            priced = replace(gen, model=f"acme/{n}", reserve_micro=(n + 1) * 100_000)
            ledger.hold(tx, home.clock.now(), run, priced.reserve_micro, home.services.policy)
            ledger.reserve(tx, home.clock.now(), run, priced)
            ledger.capture(tx, home.clock.now(), run, priced, priced.reserve_micro, 4.0)
    page = home.client.get("/usage").get_data(as_text=True)
    drawn = re.findall(r"<title>[0-9-]+: (\S+) \$([0-9.]+)</title>", page)
    assert drawn == [("acme/5", "0.60"), ("acme/4", "0.50"), ("acme/3", "0.40"), ("Other", "0.60")]
    table = page[page.index("The numbers as a table") :]
    assert re.findall(r"\$([0-9.]+)</td>", table)[:5] == [*(amount for _, amount in drawn), "2.10"]
    heights = [float(height) for height in re.findall(r'class="s\d"[^>]*height="([0-9.]+)"><title>', page)]
    assert sum(heights) == pytest.approx(200.0, abs=0.1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(("by=colour", "by"), ("since=soon", "since"), ("since=2026-02-02&until=2026-02-01", "since")),
        *(("since=2020-01-01&until=2026-01-01", "since"), ("until=0001-01-05", "since")),
    ],
)
def test_what_cannot_be_looked_at_is_named(home: WebHarness, query: str, field: str) -> None:
    for path in ("/usage", "/usage.csv"):
        answer: Any = home.client.get(f"{path}?{query}", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)


def test_an_account_sees_its_prices_and_nothing_of_the_operators(harness: WebHarness) -> None:
    first, second = customer(harness, MARK), customer(harness, "second")
    belongings(harness, first)
    # What the provider charged differs from the price of 0.70.
    with harness.store.write() as tx:
        run = tx.runs.get(f"run_{MARK}_2")
        gen = harness.generation(f"run_{MARK}_2", id="gen_cost", idem_key="c", callback_token="c", provider_id="c")
        assert run
        assert tx.generations.add(gen)
        ledger.hold(tx, harness.clock.now(), run, 123_456, harness.services.policy)
        ledger.reserve(tx, harness.clock.now(), run, replace(gen, reserve_micro=123_456))
        ledger.capture(tx, harness.clock.now(), run, gen, 123_456, 4.0)
    browser = signed_in(harness, first)
    page = browser.get("/usage?by=day").get_data(as_text=True)
    assert "$0.70</span>" in page
    assert "of $0.70 quoted (100 %)" in page
    (row,) = rows_of(browser.get("/usage.csv"))
    assert (row["spent_usd"], row["quoted_usd"]) == ("0.700000", "0.700000")
    assert "billed_usd" not in row
    assert "1234" not in page
    assert "is set aside for that" not in page, "what is in doubt is a Cost"
    other = signed_in(harness, second)
    assert rows_of(other.get("/usage.csv")) == []
    assert MARK not in other.get("/usage").get_data(as_text=True).lower()


def test_what_is_stored_is_told_by_kind_with_what_goes_next(home: WebHarness) -> None:
    home.finished()
    with home.store.write() as tx:
        assert tx.file_totals.add(FileTotal(id="1", kind=FileKind.CLIP, files=3, size=5 * 2**20))
        assert tx.file_totals.add(FileTotal(id="2", kind=FileKind.CUT, account_id="acc_x", files=1, size=2**20))
    page = " ".join(home.client.get("/usage").get_data(as_text=True).split())
    assert re.search(r"Clips</th><td[^>]*>3</td><td[^>]*>5.0 MB.*Finished films</th>.*Together.*6.0 MB", page)
    assert "Clips are kept 30 days, finished films for good." in page
    assert "Next to go" not in page
    home.clock.shift = 24 * 86_400.0
    page = " ".join(home.client.get("/usage").get_data(as_text=True).split())
    assert "Next to go: 1 clip within a week, the first on <time" in page
