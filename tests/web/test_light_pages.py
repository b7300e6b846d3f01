"""Pages in few bytes, from whose number nothing can be guessed."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import replace
from typing import Any

import pytest

from pipelines.domain.records.films import THUMBNAIL
from tests.web.test_pages import person
from tests.web.web_fixtures import WebHarness

_GZIP_HEADER, _TRAILER = 10, 8
_FLUSHED = b"\x00\x00\xff\xff"
"""Ends whatever shares no window with what follows."""
TAKES = {"Accept-Encoding": "gzip"}
ODD = "a <b> & 'c'"


def windows(body: bytes) -> list[str]:
    """What each part of a compressed page says, read by itself: one that leant on another could not be."""
    parts = body[_GZIP_HEADER:-_TRAILER].split(_FLUSHED)[:-1]
    return [zlib.decompressobj(-zlib.MAX_WBITS).decompress(part + _FLUSHED).decode() for part in parts]


@pytest.fixture
def run(home: WebHarness) -> str:
    answer: Any = home.client.post("/api/process-master-prompt", json={"master_prompt": f"A fox, {ODD}."})
    return str(answer.json["run_id"])


@pytest.mark.parametrize(
    ("path", "most"),
    [("/", 0.5), ("/?show=done&order=dearest", 0.5), ("/new", 0.5), ("/runs/{run}", 0.5), ("/account", 0.6)],
)
def test_a_page_goes_compressed_to_whoever_takes_that(home: WebHarness, run: str, path: str, most: float) -> None:
    path = path.format(run=run)
    plain, light = home.client.get(path), home.client.get(path, headers=TAKES)
    assert "Content-Encoding" not in plain.headers
    assert light.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in light.headers["Vary"]
    assert len(light.data) < len(plain.data) * most
    words = [re.sub(r"<[^>]*>", " ", one.decode()) for one in (plain.data, gzip.decompress(light.data))]
    assert words[0] == words[1]


@pytest.mark.parametrize("path", ["/", "/new", "/runs/{run}", "/account"])
def test_a_form_token_shares_no_window_with_what_stands_around_it(home: WebHarness, run: str, path: str) -> None:
    light = home.client.get(path.format(run=run), headers=TAKES).data
    tokens = re.findall(r'name="csrf_token" value="([^"]+)"', gzip.decompress(light).decode())
    assert tokens
    alone = windows(light)
    assert [one for one in alone if tokens[0] in one] == tokens


def test_a_signed_link_shares_no_window_even_with_a_title_that_begins_like_it(harness: WebHarness) -> None:
    """Whoever gives a film such a title learns nothing by the length of the page."""
    client = person(harness)
    harness.finished()
    harness.change("clips", "clip_run_finished", prepared={THUMBNAIL: "thumbs/one.webp"})
    signed = re.findall(r'src="/media/([^"/]+)', client.get("/").text)[0]
    order = harness.run("run_finished").known_order
    harness.change("runs", "run_finished", order=replace(order, title=signed[:30]), words=signed[:30])
    alone = windows(client.get("/", headers=TAKES).data)
    assert [one for one in alone if signed in one] == [signed]
    assert any(signed[:30] in one for one in alone if one != signed)


@pytest.mark.parametrize(
    ("asked", "repeated"),
    [
        ({"q": ODD}, "a &lt;b&gt; &amp; &#39;c&#39;"),
        ({"model": "no/such"}, "no/such"),
        ({"q": "fox, x", "cursor": "1700000000.0~a film"}, "1700000000.0~a+film"),
    ],
)
def test_what_a_page_repeats_of_its_address_shares_no_window_either(
    home: WebHarness, run: str, asked: dict[str, str], repeated: str
) -> None:
    """Whoever can make others look for words learns nothing of the films that they see by how long the answer is."""
    page = home.client.get("/", query_string=asked, headers=TAKES).data
    said = gzip.decompress(page).decode()
    assert repeated in said
    assert (run in said) is (asked == {"q": ODD})
    assert [one for one in windows(page) if repeated in one] == [repeated] * said.count(repeated)


def test_a_word_that_stands_everywhere_is_no_reason_to_fail(home: WebHarness, run: str) -> None:
    for word in ("a", "<", " ", "%", "-_" * 30):
        page = home.client.get("/", query_string={"q": word}, headers=TAKES)
        assert page.status_code == 200
        body = gzip.decompress(page.data) if page.headers.get("Content-Encoding") else page.data
        assert b"</html>" in body
