"""Whose address a request comes from, behind as many proxies as the operator says there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import request

from pipelines.settings import load_settings
from tests.web.web_fixtures import OUTSIDE, WebHarness

PEER = "10.0.0.9"
FORWARDED = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 198.51.100.1"}
"""What a client made up, the client itself as the first proxy saw it, and that proxy as the second saw it."""


@pytest.mark.parametrize(
    ("environ", "client"),
    [
        (OUTSIDE, "198.51.100.1"),
        ({**OUTSIDE, "TRUSTED_PROXIES": "0"}, PEER),
        ({**OUTSIDE, "TRUSTED_PROXIES": "2"}, "203.0.113.7"),
        ({}, PEER),
        ({"TRUSTED_PROXIES": "1"}, "198.51.100.1"),
    ],
)
def test_nobody_before_the_proxies_is_believed(tmp_path: Path, environ: dict[str, str], client: str) -> None:
    seen: list[str | None] = []
    with WebHarness(tmp_path, environ) as harness:
        harness.app.before_request(lambda: seen.append(request.remote_addr))
        harness.client.get("/health", headers=FORWARDED, environ_base={"REMOTE_ADDR": PEER})
    assert seen == [client]


@pytest.mark.parametrize(
    ("environ", "hops"),
    [
        ({"PUBLIC_URL": "https://127.0.0.1:8443"}, 1),
        ({"PUBLIC_URL": "http://127.0.0.1:8000"}, 0),
        ({"PUBLIC_URL": "https://films.example.com", "TRUSTED_PROXIES": "0"}, 0),
    ],
)
def test_one_is_assumed_where_there_must_be_one(tmp_path: Path, environ: dict[str, str], hops: int) -> None:
    """Nobody but a proxy speaks https here."""
    assert load_settings({**OUTSIDE, **environ}, tmp_path).trusted_proxies == hops
