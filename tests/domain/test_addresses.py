"""An address from outside is told from its text: every spelling of an inside one is refused without a name server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.orders.public_addresses import MUST_BE_HTTPS, MUST_BE_PUBLIC, NO_USER, why_not

INSIDE = [
    "127.0.0.1",
    "127.1",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "192.168.1.1",
    "0300.0250.0.1",
    "169.254.169.254",
    "2852039166",
    "100.64.0.1",
    "256.1.1.1",
    "1.2.3.4.5",
    "4294967296",
    "127.0.0.1.",
    "127。0。0。1",
    "１２７．0．0．1",
    "①②⑦.⓪.⓪.①",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fd00::1]",
    "[fe80::1%25eth0]",
    "localhost",
    "LOCALHOST.",
    "ⓛocalhost",
    "app.localhost",
    "localhost.localdomain",
    "printer.local",
    "postgres.railway.internal",
    "metadata.google.internal",
    "db.home.arpa",
    "redis",
    "redis:6379",
    "kubernetes.default.svc",
    "kubernetes.default",
    "127.0.0.1.nip.io",
    "app-10-0-0-1.sslip.io",
    "customer1.app.localhost.my.company.127.0.0.1.nip.io",
    "7f000001.nip.io",
    "localtest.me",
    "app.lvh.me",
    "metadata.goog",
    "metadata.tencentyun.com",
    "fritz.box",
    "db.service.consul",
    "hidden.onion",
    "nas.workgroup",
    "١٢٧.٠.٠.١",
    "[3fff::1]",
    "[5f00::1]",
    "[fd00:ec2::254]",
    "[::ffff:a9fe:a9fe]",
    "0xa9.0xfe.0xa9.0xfe",
    "169.16689662",
    "425.510.425.510",
    "7147006462",
    "100.100.100.200",
]


@pytest.mark.parametrize("host", INSIDE)
def test_every_spelling_of_an_inside_address_is_refused(host: str) -> None:
    assert why_not(f"https://{host}/a.png") == MUST_BE_PUBLIC
    assert why_not(f"https://user:word@{host}/a.png") == MUST_BE_PUBLIC
    assert why_not(f"http://{host}/a.png") == MUST_BE_HTTPS


@pytest.mark.parametrize(
    "text",
    [
        "http://cdn.example/a.png",
        "ftp://cdn.example/a.png",
        "file:///etc/passwd",
        "//cdn.example/a.png",
        "https:///a.png",
        "https:/127.0.0.1/",
        "https://127.0.0.1\\@cdn.example/",
        "https://cdn.example\\@127.0.0.1/",
        "https://127%2e0.0.1/",
        "https://cdn.example:0/",
        "https://cdn.example:99999/",
        "https://cdn.example:80:80/",
        "https://cdn.exa\tmple/",
        "https://cdn.example/a b.png",
        "https://[::1/",
        "https://cdn.example/a.png\u200b",
        "https://cdn.example/a\u202egnp.exe",
        "https://cdn.exa\u00admple/",
        "data:image/png;base64,AA",
        "https:\\\\127.0.0.1\\",
        "",
    ],
)
def test_what_is_no_https_address_is_refused(text: str) -> None:
    assert why_not(text) == MUST_BE_HTTPS


def test_a_password_in_an_address_is_refused() -> None:
    assert why_not("https://user:word@cdn.example/a.png") == NO_USER


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn.example/a.png",
        "https://cdn.example:8443/a.png?x=@1#y",
        "https://cdn.example./a.png",
        "https://bücher.example/a.png",
        "https://a_b.s3.amazonaws.com/x",
        "https://8.8.8.8/a.png",
        "https://8-8-8-8.sslip.io/a.png",
        "https://notlvh.me/a.png",
        "https://app.local.ch/a.png",
        "https://example.com/?u=https://127.0.0.1",
        "https://xn--bcher-kva.example/%E7%94%BB.png",
        "https://[2606:4700::1111]/a.png",
        "HTTPS://CDN.EXAMPLE/A.PNG",
    ],
)
def test_public_addresses_are_not(text: str) -> None:
    assert why_not(text) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(127 << 24, (128 << 24) - 1), st.sampled_from(["{}", "{:#x}", "0{:o}"]))
def test_a_loopback_address_as_one_number_is_refused(value: int, spelling: str) -> None:
    assert why_not(f"https://{spelling.format(value)}/") == MUST_BE_PUBLIC


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    why_not(text)
    why_not(f"https://{text}")
