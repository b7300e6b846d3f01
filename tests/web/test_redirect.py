"""Films that the storage hands out itself: the permanent link leads there for ten minutes, and nothing keeps it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.domain.keys import new_token
from pipelines.domain.lifecycle import CutStatus, RunStatus
from pipelines.domain.records import Cut, Run
from pipelines.settings import SettingsError, load_settings
from tests.web.web_fixtures import OUTSIDE, WebHarness

BUCKET = {
    **OUTSIDE,
    "STORAGE_URL": "s3://films/ours",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not a secret, this is a test",
    "AWS_ENDPOINT_URL": "https://objects.example",
    "AWS_S3_URL_STYLE": "path",
}
KEY = f"cuts/aa/{'a' * 64}.mp4"


def test_a_permanent_link_leads_to_the_storage_for_ten_minutes(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**BUCKET, "SERVE_FILMS": "storage"}) as harness:
        token = put_film(harness)
        answer = harness.client.get(f"/v/{token}")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")
        parts = urlsplit(answer.headers["Location"])
        assert (parts.netloc, parts.path) == ("objects.example", f"/films/ours/{KEY}")
        assert 0 < int(parse_qs(parts.query)["X-Amz-Expires"][0]) <= 600
        page = harness.client.get("/", headers={"Accept": "text/html"})
        assert "media-src 'self' https://objects.example;" in page.headers["Content-Security-Policy"]


def test_a_cdn_may_stand_before_the_storage(tmp_path: Path) -> None:
    """With the signature that the bucket checks, and so nothing for whoever has no link of the last ten minutes."""
    cdn = {**BUCKET, "SERVE_FILMS": "storage", "FILMS_CDN_URL": "https://films.cdn.example/"}
    with WebHarness(tmp_path, cdn) as harness:
        parts = urlsplit(harness.client.get(f"/v/{put_film(harness)}").headers["Location"])
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "films.cdn.example", f"/films/ours/{KEY}")
        assert {"X-Amz-Expires", "X-Amz-Signature"} <= parse_qs(parts.query).keys()
        page = harness.client.get("/", headers={"Accept": "text/html"})
        assert "media-src 'self' https://films.cdn.example;" in page.headers["Content-Security-Policy"]
    with pytest.raises(SettingsError, match="FILMS_CDN_URL is only used where SERVE_FILMS is storage"):
        load_settings({**cdn, "SERVE_FILMS": "web"}, tmp_path)


def test_what_is_revoked_or_unknown_leads_nowhere(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {**BUCKET, "SERVE_FILMS": "storage"}) as harness:
        token = put_film(harness, revoked_at=1.0)
        assert harness.client.get(f"/v/{token}").status_code == 410
        assert harness.client.get(f"/v/{'b' * len(token)}").status_code == 404


def test_unless_it_is_wished_we_hand_them_out(tmp_path: Path) -> None:
    with WebHarness(tmp_path) as harness:
        token = harness.finished().token
        answer = harness.client.get(f"/v/{token}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/mp4")
        policy = harness.client.get("/", headers={"Accept": "text/html"}).headers["Content-Security-Policy"]
        assert "media-src 'self';" in policy


def test_files_have_no_links_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SERVE_FILMS can be storage only where"):
        load_settings({**OUTSIDE, "SERVE_FILMS": "storage"}, tmp_path)


def put_film(harness: WebHarness, **fields: float) -> str:
    """A film whose bytes nobody asks for here."""
    harness.put(Run(id="run_x", status=RunStatus.DONE, source="rest", created_at=harness.clock.now()))
    token = new_token()
    row = Cut(id="cut_x", run_id="run_x", take=0, format="16:9", status=CutStatus.MADE, token=token, key=KEY)
    harness.put(row)
    if fields:
        harness.change("cuts", "cut_x", **fields)
    return token
