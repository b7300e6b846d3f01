"""Downloads through the guarded client: whole or not at all, never too much, never from inside."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pipelines.domain.errors import (
    BadDelivery,
    Expired,
    ForbiddenAddress,
    NotConfigured,
    RateLimited,
    ReelgridError,
    Unavailable,
    UnplayableMedia,
)
from pipelines.net import (
    Downloaded,
    download,
)
from tests.net.net_server import FILM, FILM_SHA, Server, fetch, nothing_left, server

__all__ = ["server"]


def test_a_download_arrives_whole_with_its_facts(server: Server, tmp_path: Path) -> None:
    url = server.says("/film", Content_Type="video/mp4; charset=x")
    got = fetch(server, url, tmp_path / "deep/er/a.mp4")
    assert got == Downloaded(tmp_path / "deep/er/a.mp4", FILM_SHA, len(FILM), "video/mp4", url)
    assert got.path.read_bytes() == FILM
    assert [entry.name for entry in got.path.parent.iterdir()] == ["a.mp4"]


def test_a_chunked_download_without_a_length_arrives_too(server: Server, tmp_path: Path) -> None:
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(FILM), 50_000):
            piece = FILM[start : start + 50_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.answers["/chunked"] = chunked
    assert fetch(server, server.url("/chunked"), tmp_path / "a.mp4").sha256 == FILM_SHA


def test_a_body_compressed_against_our_wish_is_unpacked(server: Server, tmp_path: Path) -> None:
    url = server.says("/film", body=gzip.compress(FILM), Content_Encoding="gzip")
    assert fetch(server, url, tmp_path / "a.mp4").sha256 == FILM_SHA


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!doctype html><p>Please sign in", "text/html; charset=utf-8"),
        (b"<html>", "video/mp4"),
        (b'  {"error": "not ready"}', "application/octet-stream"),
        (b"{}", "application/json"),
        (b"", "video/mp4"),
    ],
)
def test_a_page_or_json_or_nothing_with_status_200_is_a_bad_delivery(
    body: bytes, kind: str, server: Server, tmp_path: Path
) -> None:
    url = server.says("/film", body=body, Content_Type=kind)
    with pytest.raises(BadDelivery):
        fetch(server, url, tmp_path / "a.mp4")
    assert nothing_left(tmp_path)


def test_a_body_cut_short_is_a_bad_delivery_and_leaves_the_old_file_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    url = server.says("/film", length=len(FILM) + 1)
    with pytest.raises(BadDelivery):
        fetch(server, url, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_too_many_bytes_are_refused_announced_or_not(server: Server, tmp_path: Path) -> None:
    announced = server.says("/film")
    bomb = server.says("/bomb", body=gzip.compress(b"\x01" * 10_000_000), Content_Encoding="gzip")
    for url in (announced, bomb):
        with pytest.raises(UnplayableMedia):
            fetch(server, url, tmp_path / "a.mp4", max_bytes=len(FILM) - 1)
    assert nothing_left(tmp_path)


def test_a_download_that_never_ends_is_given_up(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        fetch(server, server.says("/film"), tmp_path / "a.mp4", max_seconds=0)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, Expired), (404, Expired), (410, Expired), (500, Unavailable), (503, Unavailable), (401, NotConfigured),
     (204, BadDelivery), (304, BadDelivery)],
)  # fmt: skip
def test_each_refusal_of_a_download_has_its_name(
    status: int, error: type[ReelgridError], server: Server, tmp_path: Path
) -> None:
    url = server.says("/film", status, b"")
    with pytest.raises(error):
        fetch(server, url, tmp_path / "a.mp4")
    assert nothing_left(tmp_path)


def test_a_rate_limited_download_says_how_long_to_wait(server: Server, tmp_path: Path) -> None:
    url = server.says("/film", 429, b"", Retry_After="7")
    with pytest.raises(RateLimited) as caught:
        fetch(server, url, tmp_path / "a.mp4")
    assert caught.value.retry_after == 7


def test_a_server_that_is_gone_is_unavailable(server: Server, tmp_path: Path) -> None:
    server.stop()
    with pytest.raises(Unavailable):
        fetch(server, server.url("/film"), tmp_path / "a.mp4")


def test_redirects_are_followed_and_carry_credentials_to_the_same_origin_only(server: Server, tmp_path: Path) -> None:
    other = Server()
    film = other.says("/film")
    server.says("/start", 302, b"", Location="/next")
    server.says("/next", 307, b"", Location=film)
    try:
        got = download(
            server.url("/start"), tmp_path / "a.mp4",
            trusted=[server.origin, other.origin], headers={"Authorization": "Bearer secret"}, timeout=5,
        )  # fmt: skip
    finally:
        other.stop()
    assert got.final_url == film
    assert [headers.get("authorization") for _, headers in server.requests] == ["Bearer secret"] * 2
    assert [headers.get("authorization") for _, headers in other.requests] == [None]


def test_a_redirect_to_an_inside_address_is_refused(server: Server, tmp_path: Path) -> None:
    inner = Server()
    server.says("/start", 302, b"", Location=inner.says("/film"))
    try:
        with pytest.raises(ForbiddenAddress):
            fetch(server, server.url("/start"), tmp_path / "a.mp4")
    finally:
        inner.stop()
    assert inner.requests == []


def test_a_redirect_to_another_scheme_is_refused(server: Server, tmp_path: Path) -> None:
    url = server.says("/start", 302, b"", Location="file:///etc/passwd")
    with pytest.raises(ForbiddenAddress):
        fetch(server, url, tmp_path / "a.mp4")


def test_a_circle_of_redirects_ends(server: Server, tmp_path: Path) -> None:
    url = server.says("/start", 302, b"", Location="/start")
    with pytest.raises(BadDelivery):
        fetch(server, url, tmp_path / "a.mp4")
    assert len(server.requests) == 6
