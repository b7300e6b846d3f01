"""A brand in an order over HTTP, and brands on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from pipelines.domain.orders.brand import BrandRow
from tests.web.test_commands import flask, told
from tests.web.test_pages import html
from tests.web.two_accounts import OTHER_BASE, customer
from tests.web.web_fixtures import BASE, KEY, WebHarness

URL, ORDER = "/api/process-master-prompt", {"master_prompt": "A day at the sea", "scene_count": 2}
BRAND = {
    "name": "Lumen",
    "logo": "https://brand.example/logo.png",
    "primary_colour": "0055ff",
    "look": "35 mm film",
    "banned_words": "cheap, free trial",
    "intro": "Lumen",
}
ROW = "recLumenBrand0001"


def problems(answer: Any) -> dict[str, str]:
    return {one["field"]: one["message"] for one in answer.json.get("errors") or answer.json["problems"]}


def test_an_order_holds_a_brand_whose_words_count_where_it_has_none(harness: WebHarness) -> None:
    answer = harness.post(URL, {**ORDER, "title_card": "Mine", "captions": "Burned", "brand": BRAND})
    assert answer.status_code == 202, answer.json
    order = harness.run(answer.json["run_id"]).known_order
    assert (order.title_card, order.logo, order.style_notes) == ("Mine", BRAND["logo"], "35 mm film")
    assert order.brand is not None
    assert (order.brand.name, order.brand.primary_colour, order.brand.lent) == ("Lumen", "#0055FF", ("logo",))


@pytest.mark.parametrize(
    ("brand", "field"),
    [
        ({"primary_colour": "sunny"}, "brand.primary_colour"),
        ({"logo": "ftp://x"}, "brand.logo"),
        ({"colour": "#fff"}, "brand.colour"),
        ({"record_id": ROW, "look": "35 mm"}, "brand"),
        ({"base_id": BASE}, "brand"),
        ("Lumen", "brand.record_id"),
        (7, "brand"),
    ],
)
def test_what_is_no_brand_is_refused_by_name(harness: WebHarness, brand: Any, field: str) -> None:
    answer = harness.post(URL, {**ORDER, "brand": brand})
    assert (answer.status_code, list(problems(answer))) == (422, [field])


@pytest.mark.parametrize("path", [URL, "/api/estimate"])
def test_a_banned_word_is_named_before_anything_starts(harness: WebHarness, path: str) -> None:
    answer = harness.post(path, {**ORDER, "end_card": "So CHEAP", "brand": BRAND})
    assert problems(answer)["end_card"].startswith("has “cheap”, which the brand “Lumen” does not allow.")
    assert harness.runs() == []


def test_a_brand_of_a_base_is_named_by_its_row_and_only_in_a_base_of_ones_own(harness: WebHarness) -> None:
    answer = harness.post(URL, {**ORDER, "title_card": "Mine", "brand": ROW})
    order = harness.run(answer.json["run_id"]).known_order
    given = ("master_prompt", "title_card", "scene_count")
    assert order.brand_row is not None
    assert (order.brand_row.base_id, order.brand_row.record_id) == (BASE, ROW)
    assert set(order.brand_row.given) == set(given)
    assert isinstance(order.brand_row, BrandRow)
    guest = customer(harness, "guest")
    for brand, status in (({"record_id": ROW}, 422), ({"record_id": ROW, "base_id": OTHER_BASE}, 403)):
        sent = harness.client.post(URL, json={**ORDER, "brand": brand}, headers=guest.headers)
        assert sent.status_code == status, sent.json


@pytest.mark.slow
def test_brands_are_checked_on_the_command_line(tmp_path: Path) -> None:
    with WebHarness(tmp_path, airtable=True) as harness:
        assert told(harness, "brands", "check") == [], "a base without the table has no brands"
        told(harness, "airtable", "setup")
        for fields in ({"Name": "Fine", "Primary Colour": "#0055FF"}, {"Name": "Dim", "Primary Colour": "#FE5102"}):
            made = requests.post(
                f"{harness.airtable_url}/_control/person/{BASE}/Brands", json={"fields": fields}, timeout=20
            )
            assert made.ok, made.text
        done = flask(harness, "brands", "check", "--json")
        fine, dim = sorted(json.loads(done.stdout), key=lambda check: not check["ok"])
        assert (done.exit_code, fine["name"], fine["ok"], dim["name"]) == (1, "brand Fine", True, "brand Dim")
        assert "contrast of 3.29" in dim["sentence"]
        findings = {one["name"]: one for one in json.loads(flask(harness, "airtable", "doctor", "--json").stdout)}
        assert (findings["brand Dim"]["warning"], "brand Fine" in findings) == (True, False)
        assert findings["table Brands"]["ok"]
        browser = harness.client
        harness.app.config["WTF_CSRF_ENABLED"] = False
        assert browser.post("/sign-in", data={"key": KEY}).status_code == 303
        page = html(browser.get("/new"))
        select = page.partition('id="f-brand"')[2].partition("</select>")[0]
        assert [name in select for name in ("Fine", "Dim")] == [True, True], "what was read can be chosen"
