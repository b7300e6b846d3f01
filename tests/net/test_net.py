"""The way out, over real HTTP on loopback: what is refused, what arrives, and how failures are named."""

from __future__ import annotations

from datetime import UTC, datetime
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
)
from pipelines.net import (
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
from tests.net.net_server import FILM, Server, nothing_left, server

__all__ = ["server"]


def test_no_cookie_of_one_address_is_sent_to_another(server: Server) -> None:
    """Whoever shares a domain with other customers could fill their requests until these are refused."""
    with guarded_client([server.origin]) as client:
        client.get(server.says("/mine", Set_Cookie="stuffing=x; Path=/; Max-Age=9999"))
        client.get(server.says("/theirs"))
        assert len(client.cookies) == 0
    assert "cookie" not in server.requests[1][1]


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
