"""Airtable's attachment fetcher: GET, at most three redirects, at most 1 GB, into a file."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

MAX_REDIRECTS = 3
MAX_BYTES = 1_000_000_000
TIMEOUT_S = 30.0


class FetchFailed(Exception):
    """The URL gave no file."""


def fetch(url: str, path: Path) -> str:
    """Download to `path`; returns the content type without its parameters.

    Raises:
        FetchFailed: unreachable, not 200, too many redirects, cut short, or larger than 1 GB.

    """
    partial = path.with_suffix(".part")
    try:
        with (
            httpx.Client(
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                timeout=TIMEOUT_S,
                trust_env=False,
                # OpenSSL's own places, so that SSL_CERT_FILE can name a development certificate.
                verify=ssl.create_default_context(),
            ) as client,
            client.stream("GET", url, headers={"User-Agent": "airtable-attachment-fetcher"}) as answer,
        ):
            _save(answer, partial)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, FetchFailed) as exc:
        partial.unlink(missing_ok=True)
        raise FetchFailed(str(exc)) from exc
    partial.replace(path)
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _save(answer: httpx.Response, path: Path) -> None:
    if answer.status_code != httpx.codes.OK:
        raise FetchFailed(f"status {answer.status_code}")
    size = 0
    with path.open("wb") as out:
        for chunk in answer.iter_bytes():
            size += len(chunk)
            if size > MAX_BYTES:
                raise FetchFailed("larger than 1 GB")
            out.write(chunk)
