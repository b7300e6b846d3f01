"""The way out, over real HTTP on loopback: what is refused, what arrives, and how failures are named."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpcore
import httpx
import pytest

from pipelines.domain.errors import (
    BadDelivery,
    Busy,
    Expired,
    ForbiddenAddress,
    InvalidOrder,
    NotConfigured,
    OutOfCredit,
    ProviderFailed,
    RateLimited,
    ReelgridError,
    Unavailable,
    UnplayableMedia,
)
from pipelines.net import (
    Downloaded,
    Origin,
    disk_full_is_busy,
    download,
    guarded_client,
    is_inside,
    retry_after,
    translate_http,
    whole_file,
)
from pipelines.net.guard import GuardedBackend

FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 2000
FILM_SHA = hashlib.sha256(FILM).hexdigest()


class Server:
    """A loopback HTTP server that answers each path as it was told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                outer.answers[self.path](self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.origin = Origin("http", "127.0.0.1", self._server.server_port)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.origin.port}{path}"

    def says(self, path: str, status: int = 200, body: bytes = FILM, length: int | None = None, **headers: str) -> str:
        """Answer `path` so; underscores in header names become dashes. Returns the address."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body) if length is None else length))
            handler.end_headers()
            handler.wfile.write(body)
            handler.close_connection = True

        self.answers[path] = answer
        return self.url(path)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def fetch(server: Server, url: str, dest: Path, max_bytes: int = 10**8, **more: object) -> Downloaded:
    return download(url, dest, trusted=[server.origin], max_bytes=max_bytes, timeout=5, **more)  # type: ignore[arg-type]


def nothing_left(folder: Path) -> bool:
    return list(folder.iterdir()) == []


# --- inside addresses

INSIDE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]
OUTSIDE = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "100.63.0.1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_inside_addresses_are_recognised_however_they_are_written(address: str) -> None:
    assert is_inside(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_not_inside(address: str) -> None:
    assert not is_inside(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:7f00:1]"]
)
def test_every_spelling_of_an_inside_server_is_refused_before_a_byte_is_sent(
    host: str, server: Server, tmp_path: Path
) -> None:
    server.says("/film")
    with pytest.raises(ForbiddenAddress):
        download(f"http://{host}:{server.origin.port}/film", tmp_path / "a.mp4", timeout=5)
    assert server.requests == []
    assert nothing_left(tmp_path)


def test_trust_holds_for_one_scheme_host_and_port_only(server: Server, tmp_path: Path) -> None:
    url = server.says("/film")
    near = [
        Origin("https", "127.0.0.1", server.origin.port),
        Origin("http", "localhost", server.origin.port),
        Origin("http", "127.0.0.1", server.origin.port + 1),
    ]
    with pytest.raises(ForbiddenAddress):
        download(url, tmp_path / "a.mp4", trusted=near, timeout=5)
    assert download(url, tmp_path / "a.mp4", trusted=[server.origin], timeout=5).size == len(FILM)


class Recorder(httpcore.NetworkBackend):
    """Writes down where a connection would go, and opens none."""

    def __init__(self) -> None:
        self.connected: list[str] = []

    def connect_tcp(self, host: str, *_rest: object, **_more: object) -> httpcore.NetworkStream:
        self.connected.append(host)
        raise httpcore.ConnectError("nobody there")


def test_the_connection_goes_to_the_very_address_that_was_checked() -> None:
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    recorder = Recorder()
    backend = GuardedBackend(recorder, lambda _host, _port: next(answers))
    with pytest.raises(httpcore.ConnectError):
        backend.connect_tcp("rebinding.example", 80)
    assert recorder.connected == ["93.184.215.14"]
    with pytest.raises(ForbiddenAddress):
        backend.connect_tcp("rebinding.example", 80)
    assert recorder.connected == ["93.184.215.14"]


def test_one_inside_record_among_public_ones_refuses_the_host() -> None:
    recorder = Recorder()
    backend = GuardedBackend(recorder, lambda _host, _port: ["93.184.215.14", "::ffff:10.0.0.1"])
    with pytest.raises(ForbiddenAddress):
        backend.connect_tcp("mixed.example", 443)
    assert recorder.connected == []


def test_every_checked_record_is_tried() -> None:
    recorder = Recorder()
    backend = GuardedBackend(recorder, lambda _host, _port: ["93.184.215.14", "1.1.1.1"])
    with pytest.raises(httpcore.ConnectError):
        backend.connect_tcp("two.example", 443)
    assert recorder.connected == ["93.184.215.14", "1.1.1.1"]


def test_a_client_ignores_the_proxies_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url(""))
    monkeypatch.setenv("ALL_PROXY", server.url(""))
    with guarded_client(timeout=5) as client, pytest.raises(ForbiddenAddress):
        client.get("http://localhost:1/")
    assert server.requests == []


def test_a_client_follows_no_redirect_by_itself_and_keeps_connections(server: Server) -> None:
    url = server.says("/a", 302, b"", Location="/b")
    with guarded_client([server.origin], timeout=5) as client:
        assert client.get(url).status_code == 302
    assert [path for path, _ in server.requests] == ["/a"]


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "", "no address", "http://", "http://[::1"])
def test_what_is_no_web_address_is_the_marketers_mistake(url: str, tmp_path: Path) -> None:
    with pytest.raises(ForbiddenAddress):
        download(url, tmp_path / "a.mp4", timeout=5)


# --- downloads


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


# --- disk


def test_a_full_disk_is_busy_and_other_faults_stay_what_they_are() -> None:
    with pytest.raises(Busy), disk_full_is_busy(), Path("/dev/full").open("wb") as full:
        full.write(b"x")
    with pytest.raises(FileNotFoundError), disk_full_is_busy():
        Path("/nowhere/at/all").read_bytes()


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    dest = tmp_path / "a"

    def stumble() -> None:
        with whole_file(dest) as file:
            file.write(b"half")
            assert not dest.exists()
            raise BadDelivery("halfway")

    with pytest.raises(BadDelivery):
        stumble()
    assert nothing_left(tmp_path)
    with whole_file(dest) as file:
        file.write(b"whole")
    assert dest.read_bytes() == b"whole"


# --- HTTP in our words


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InvalidOrder), (401, NotConfigured), (402, OutOfCredit), (403, NotConfigured), (404, Expired),
     (405, ProviderFailed), (408, Unavailable), (409, Unavailable), (410, Expired), (422, InvalidOrder),
     (425, Unavailable), (429, RateLimited), (500, Unavailable), (529, Unavailable)],
)  # fmt: skip
def test_each_http_status_has_a_place_in_the_tree(status: int, error: type[ReelgridError]) -> None:
    assert type(translate_http(httpx.Response(status, text="no"), vendor="kie")) is error


def test_a_vendors_words_are_short_and_hold_no_secret() -> None:
    text = "bad key sk-abcdefghijklmnop " + "x" * 5000
    error = translate_http(httpx.Response(401, text=text), vendor="openai")
    assert error.operator.startswith("openai answered 401: bad key sk-[hidden]")
    assert len(error.operator) < 400
    assert "sk-" not in error.marketer


def test_network_faults_are_unavailable_and_our_own_errors_stay() -> None:
    assert isinstance(translate_http(httpx.ReadTimeout("slow"), vendor="kie"), Unavailable)
    ours = BadDelivery("x")
    assert translate_http(ours, vendor="kie") is ours


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "12"}, 12),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:30 GMT"}, 30),
        ({"Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT"}, 0),
        ({"Retry-After": "999999"}, 3600),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_the_wait_a_server_asks_for_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, datetime(2026, 11, 20, 10, tzinfo=UTC)) == seconds
