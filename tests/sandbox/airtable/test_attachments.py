"""Attachments of the emulated Airtable: fetched later, silent when they fail, served until they expire, or uploaded."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
import requests
from PIL import Image
from pyairtable.api.table import Table
from pyairtable.utils import Url

from pipelines.sandbox.airtable import FIRST_BASE
from tests.sandbox.airtable.sandbox_airtable import TOKEN, Board, Web, error_type, until


@pytest.fixture(scope="module")
def running() -> Iterator[Board]:
    with Board() as airtable:
        yield airtable.build()


@pytest.fixture
def airtable(running: Board) -> Iterator[Board]:
    yield running
    running.control("DELETE", "faults")
    running.control("POST", "faults", {"rate_limit": 0, "token_rate_limit": 0})


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of red as an MP4."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), (200, 0, 0), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def attach(airtable: Board, *items: dict[str, str]) -> Any:
    return airtable.videos.create({"Title": "t", "Final Video": list(items)})


def cell(airtable: Board, row: Any) -> list[Any]:
    found: list[Any] = airtable.videos.get(row["id"])["fields"].get("Final Video", [])
    return found


def gone(airtable: Board, row: Any) -> bool:
    return cell(airtable, row) == []


def ingested(airtable: Board, row: Any) -> list[Any]:
    return until(lambda: (files := cell(airtable, row)) and all("size" in f for f in files) and files)


def test_a_url_is_fetched_after_the_answer_and_then_described_and_served(
    airtable: Board, web: Web, film: bytes
) -> None:
    airtable.control("POST", "faults", {"attachment_delay_s": 0.3})
    url = web.serve("/film.mp4", film)
    row = attach(airtable, {"url": url, "filename": "Harbour.mp4"})
    fresh = row["fields"]["Final Video"][0]
    assert fresh == {"id": fresh["id"], "url": url, "filename": "Harbour.mp4"}
    done = ingested(airtable, row)[0]
    assert (done["id"], done["size"], done["type"], done["filename"]) == (
        fresh["id"],
        len(film),
        "video/mp4",
        "Harbour.mp4",
    )
    assert done["url"].startswith(f"{airtable.sandbox.url}/airtable/attachments/")
    assert requests.get(done["url"], timeout=60).content == film
    part = requests.get(done["url"], headers={"Range": "bytes=2-9"}, timeout=60)
    assert (part.status_code, part.content, part.headers["Content-Type"]) == (206, film[2:10], "video/mp4")
    head = requests.head(done["url"], timeout=60)
    assert (head.status_code, int(head.headers["Content-Length"])) == (200, len(film))
    poster = Image.open(io.BytesIO(requests.get(done["thumbnails"]["large"]["url"], timeout=60).content))
    assert poster.size == (64, 48)
    red, green, _ = np.asarray(poster.convert("RGB").resize((1, 1)))[0, 0]
    assert red > 120 > green


def test_an_image_tells_its_size_in_pixels(airtable: Board, web: Web) -> None:
    png = io.BytesIO()
    Image.new("RGB", (90, 60), "navy").save(png, "PNG")
    row = attach(airtable, {"url": web.serve("/logo%20a.png", png.getvalue(), "image/png")})
    done = ingested(airtable, row)[0]
    assert (done["width"], done["height"], done["type"], done["filename"]) == (90, 60, "image/png", "logo a.png")
    assert done["thumbnails"]["small"]["height"] == 36


def test_writing_the_cell_replaces_the_list_and_ids_keep_what_is_there(airtable: Board, web: Web) -> None:
    row = attach(airtable, {"url": web.serve("/1", b"one")}, {"url": web.serve("/2", b"two")})
    first, second = ingested(airtable, row)
    airtable.videos.update(row["id"], {"Final Video": [{"id": second["id"]}, {"url": web.serve("/3", b"three")}]})
    until(lambda: [f["size"] for f in ingested(airtable, row)] == [3, 5])
    assert cell(airtable, row)[0]["id"] == second["id"]
    airtable.videos.update(row["id"], {"Final Video": [first, second]})
    assert [f["id"] for f in cell(airtable, row)] == [first["id"], second["id"]]
    airtable.videos.update(row["id"], {"Final Video": []})
    assert cell(airtable, row) == []


@pytest.mark.parametrize("path", ["/missing.mp4", "/loop"])
def test_a_fetch_that_fails_silently_empties_the_cell(airtable: Board, web: Web, path: str) -> None:
    web.redirect("/loop", web.url + "/loop")
    row = attach(airtable, {"url": f"{web.url}{path}?{id(path)}"}, {"url": web.serve("/good", b"good")})
    assert len(row["fields"]["Final Video"]) == 2
    until(lambda: [f.get("size") for f in cell(airtable, row)] == [4])


def test_three_redirects_are_followed(airtable: Board, web: Web) -> None:
    url = web.serve("/r3", b"here")
    for name in ("/r2", "/r1", "/r0"):
        url = web.redirect(name, url)
    assert ingested(airtable, attach(airtable, {"url": url}))[0]["size"] == 4


def test_a_host_that_nobody_answers_for_empties_the_cell(airtable: Board) -> None:
    airtable.control("POST", "faults", {"unreachable_hosts": ["laptop.invalid"]})
    row = attach(airtable, {"url": "http://laptop.invalid/film.mp4"})
    until(lambda: cell(airtable, row) == [])


def test_a_failed_fetch_can_leave_a_dead_address_in_the_cell(airtable: Board, web: Web) -> None:
    airtable.control("POST", "faults", {"attachment_failure": "dead_url"})
    row = attach(airtable, {"url": web.url + "/dead.mp4"})
    until(lambda: cell(airtable, row)[0]["url"].startswith(airtable.sandbox.url))
    dead = cell(airtable, row)[0]
    assert "size" not in dead
    assert requests.get(dead["url"], timeout=60).status_code == 404


def test_ordered_failures_count_down_and_a_login_page_is_kept_as_if_it_were_the_file(airtable: Board, web: Web) -> None:
    airtable.control("POST", "faults", {"attachment_fetch_fails": 1})
    row = attach(airtable, {"url": web.serve("/login", b"<html>log in</html>", "text/html; charset=utf-8")})
    until(lambda: cell(airtable, row) == [])
    row = attach(airtable, {"url": web.url + "/login", "filename": "film.mp4"})
    assert ingested(airtable, row)[0]["type"] == "text/html"


def test_failures_can_be_ordered_for_some_files_only(airtable: Board, web: Web) -> None:
    film = {"count": 1, "table": "Videos", "field": "Final Video", "filename": "*.mp4"}
    airtable.control("POST", "faults", {"attachment_fetch_fails": [{"count": 1, "table": "Scenes"}, film]})
    url = web.serve("/one", b"0" * 100)
    assert ingested(airtable, attach(airtable, {"url": url, "filename": "poster.jpg"}))
    lost = attach(airtable, {"url": url, "filename": "film.mp4"})
    until(lambda: cell(airtable, lost) == [])
    assert ingested(airtable, attach(airtable, {"url": url, "filename": "film.mp4"})), "the order was for one"


@pytest.mark.parametrize("refusal", ["details", "422"])
def test_the_same_address_failing_twice_is_refused_at_once(airtable: Board, web: Web, refusal: str) -> None:
    airtable.control("POST", "faults", {"attachment_refusal": refusal})
    url = f"{web.url}/twice-{refusal}.mp4"
    for _ in range(2):
        row = attach(airtable, {"url": url})
        until(partial(gone, airtable, row))
    doc = {"fields": {"Final Video": [{"url": url}]}}
    answer = airtable.raw("PATCH", f"{FIRST_BASE}/Videos/{row['id']}", doc)
    if refusal == "422":
        assert (answer.status_code, error_type(answer)) == (422, "ATTACHMENTS_FAILED_UPLOADING")
    else:
        assert answer.json()["details"] == {"message": "partialSuccess", "reasons": ["attachmentsFailedUploading"]}
        assert "Final Video" not in answer.json()["fields"]
    web.serve(f"/twice-{refusal}.mp4", b"fine now")
    row = attach(airtable, {"url": f"{url}?fresh"})
    assert ingested(airtable, row)[0]["size"] == 8


def test_addresses_expire_and_cannot_be_forged(airtable: Board, web: Web) -> None:
    row = attach(airtable, {"url": web.serve("/short", b"short")})
    url = ingested(airtable, row)[0]["url"]
    forged = url.replace("/u/", "/u/9")
    assert [requests.get(u, timeout=60).status_code for u in (url, forged)] == [200, 403]
    airtable.control("POST", "faults", {"attachment_ttl_s": -1})
    assert requests.get(cell(airtable, row)[0]["url"], timeout=60).status_code == 410


def test_an_upload_appends_and_answers_by_field_id(airtable: Board, film: bytes, tmp_path: Path) -> None:
    row = airtable.videos.create({"Title": "t"})
    path = tmp_path / "a.mp4"
    path.write_bytes(film)
    table = airtable.base.table("Videos")
    _upload_here(table, airtable)
    table.upload_attachment(row["id"], "Final Video", path)
    answer = table.upload_attachment(row["id"], "Final Video", "b.bin", b"two", "application/octet-stream")
    field_id = table.schema().field("Final Video").id
    assert [f["filename"] for f in answer["fields"][field_id]] == ["a.mp4", "b.bin"]
    assert [(f["size"], f["type"]) for f in cell(airtable, row)] == [
        (len(film), "video/mp4"),
        (3, "application/octet-stream"),
    ]


def _upload_here(table: Table, airtable: Board) -> None:
    """The SDK has its upload host built in; its class of URLs is the documented seam."""

    class Here(Table._urls):
        def upload_attachment(self, record_id: str, field: str) -> Url:
            return Url(f"{airtable.sandbox.url}/airtable/v0/{FIRST_BASE}/{record_id}/{field}/uploadAttachment")

    table.urls = Here(table)


def test_an_upload_of_more_than_five_megabytes_is_refused(airtable: Board) -> None:
    row = airtable.videos.create({"Title": "t"})
    path = f"{FIRST_BASE}/{row['id']}/Final Video/uploadAttachment"
    big = base64.b64encode(b"x" * (5 * 1024 * 1024 + 1)).decode()
    doc = {"contentType": "video/mp4", "filename": "a.mp4", "file": big}
    assert airtable.raw("POST", path, doc).status_code == 413
    assert airtable.raw("POST", path, doc | {"file": "not base64!"}).status_code == 422
    assert airtable.raw("POST", path, {"file": "aa=="}).status_code == 422
    assert cell(airtable, row) == []


def test_the_front_page_shows_the_rows_with_playable_attachments(airtable: Board, web: Web, film: bytes) -> None:
    row = attach(airtable, {"url": web.serve("/page.mp4", film), "filename": "page.mp4"})
    done = ingested(airtable, row)[0]
    airtable.videos.update(row["id"], {"Title": "<script>alert(1)</script>"})
    page = requests.get(airtable.sandbox.url, timeout=60)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "&lt;script&gt;alert(1)" in page.text
    assert f"/{done['id']}/file/page.mp4" in page.text.partition("<video")[2]
    assert urlsplit(done["url"]).netloc in page.text
    assert TOKEN in page.text
