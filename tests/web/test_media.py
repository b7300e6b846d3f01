"""Files over HTTP: players seek, fetchers resume, and nothing opens without its link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.security import links
from pipelines.security.secret_keys import SecretKeys
from pipelines.stages.base_rows import fetches
from tests.web.web_fixtures import OUTSIDE, WebHarness
from webapp.pages.fonts import FONTS

FILM = bytes(range(256)) * 40


def link(harness: WebHarness, name: str = "film.mp4", data: bytes = FILM) -> str:
    return harness.services.links.media(harness.store_file(name, data), name, 60).removeprefix(OUTSIDE["PUBLIC_URL"])


@pytest.fixture(params=["media", "v"])
def address(harness: WebHarness, request: pytest.FixtureRequest) -> str:
    """Both doors to a file."""
    if request.param == "media":
        return link(harness)
    return f"/v/{harness.finished(film=FILM).token}"


def test_a_film_comes_whole_with_length_type_and_name(harness: WebHarness, address: str) -> None:
    """One plain answer, without a redirect."""
    answer = harness.client.get(address)
    assert (answer.status_code, answer.data) == (200, FILM)
    assert (answer.headers["Content-Length"], answer.mimetype) == (str(len(FILM)), "video/mp4")
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"].startswith("inline; filename=")
    assert "private" in answer.headers["Cache-Control"]


def test_head_says_the_same_without_the_bytes(harness: WebHarness, address: str) -> None:
    """Fetchers ask first."""
    whole, head = harness.client.get(address), harness.client.head(address)
    assert head.data == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Content-Disposition"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("wanted", "part", "place"),
    [
        ("bytes=0-99", FILM[:100], "bytes 0-99/10240"),
        ("bytes=100-", FILM[100:], "bytes 100-10239/10240"),
        ("bytes=-5", FILM[-5:], "bytes 10235-10239/10240"),
        ("bytes=0-999999", FILM, "bytes 0-10239/10240"),
        ("bytes=10239-10239", FILM[-1:], "bytes 10239-10239/10240"),
    ],
)
def test_a_range_is_a_206_with_exactly_those_bytes(
    harness: WebHarness, address: str, wanted: str, part: bytes, place: str
) -> None:
    """This is how players seek."""
    answer = harness.client.get(address, headers={"Range": wanted})
    assert (answer.status_code, answer.data) == (206, part)
    assert answer.headers["Content-Range"] == place
    assert answer.headers["Content-Length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=20000-30000"])
def test_a_range_beyond_the_end_is_416(harness: WebHarness, address: str, wanted: str) -> None:
    """With the size in it."""
    answer = harness.client.get(address, headers={"Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10240"


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=a-b", "items=0-5", "bytes=", "bytes=0-1,5-6"])
def test_a_range_that_makes_no_sense_is_ignored(harness: WebHarness, address: str, wanted: str) -> None:
    """As RFC 9110 has it."""
    assert harness.client.get(address, headers={"Range": wanted}).status_code == 200


def test_what_the_browser_has_is_not_sent_again(harness: WebHarness, address: str) -> None:
    """By ETag; and a part of another version is refused."""
    etag = harness.client.get(address, buffered=True).headers["ETag"]
    assert harness.client.get(address, headers={"If-None-Match": etag}).status_code == 304
    same = harness.client.get(address, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = harness.client.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_signed_link_opens_one_file_for_a_while(harness: WebHarness) -> None:
    """Changed: 403. Too late: 410. Made for something else: 403."""
    address = link(harness)
    token = address.split("/")[2]
    assert harness.client.get(address.replace(token, token[:-2] + "xx")).status_code == 403
    assert harness.client.get("/media/rubbish").status_code == 403
    page = links.sign_page(SecretKeys(OUTSIDE["SECRET_KEY"]), "run", "run_1")
    assert harness.client.get(f"/media/{page}").status_code == 403
    harness.clock.shift = 61
    assert harness.client.get(address).status_code == 410


@pytest.mark.parametrize(
    ("wanted", "seen"), [(None, True), ("bytes=0-", True), ("bytes=0-99", False), ("bytes=100-", False)]
)
def test_a_link_that_was_given_to_airtable_tells_when_the_whole_file_was_fetched(
    harness: WebHarness, wanted: str | None, seen: bool
) -> None:
    """Once, however often it is fetched; asking by HEAD, or for a part, is not fetching."""
    key = harness.store_file("film.mp4", FILM)
    address = harness.services.links.media(key, "film.mp4", 60, "fetch").removeprefix(OUTSIDE["PUBLIC_URL"])
    harness.client.head(address)
    headers = {"Range": wanted} if wanted else {}
    for _ in range(2):
        assert harness.client.get(address, headers=headers).data
    assert harness.client.get(link(harness)).data == FILM
    with harness.services.store.read() as tx:
        assert fetches.all_seen(tx, ["fetch"], harness.clock.now() - 60) is seen
        assert tx.events.count(entity="file") == int(seen)


def test_a_file_that_is_no_longer_kept_is_410(harness: WebHarness) -> None:
    """Retention is no error of the reader."""
    address = link(harness)
    harness.services.media.delete(
        links.read_media(SecretKeys(OUTSIDE["SECRET_KEY"]), address.split("/")[2], harness.clock.now()).key
    )
    answer = harness.client.get(address)
    assert answer.status_code == 410
    assert answer.mimetype == "application/problem+json"


def test_a_permanent_link_lives_until_it_is_revoked(harness: WebHarness) -> None:
    """Unguessable, and gone when the operator says so."""
    cut = harness.finished()
    assert harness.client.get("/v/" + "A" * 43).status_code == 404
    assert harness.client.get("/v/short").status_code == 404
    harness.clock.shift = 10 * 365 * 86_400
    assert harness.client.get(f"/v/{cut.token}").status_code == 200
    harness.change("cuts", cut.id, revoked_at=1.0)
    assert harness.client.get(f"/v/{cut.token}").status_code == 410


def test_a_download_has_a_name_every_system_takes(harness: WebHarness) -> None:
    """Words stay, slashes and control characters go."""
    cut = harness.finished()
    answer = harness.client.get(f"/v/{cut.token}?download=1")
    name = answer.headers["Content-Disposition"]
    assert name.startswith('attachment; filename="A fox at dawn')
    assert "filename*=UTF-8''A%20fox%20at%20dawn%20%E2%80%93%20run%201.mp4" in name
    harness.change("cuts", cut.id, filename='../../etc/"x"\r\nSet-Cookie: a=b.mp4')
    name = harness.client.get(f"/v/{cut.token}").headers["Content-Disposition"]
    assert not set("\r\n/\\") & set(name)


def test_the_name_in_the_address_cannot_turn_a_file_into_a_page(harness: WebHarness) -> None:
    """Files of strangers live on our origin."""
    token = link(harness, "evil.html", b"<script>alert(1)</script>").split("/")[2]
    answer = harness.client.get(f"/media/{token}/page.html")
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_the_link_of_a_clip_stays_the_same_while_a_page_is_open(harness: WebHarness) -> None:
    """Else every refresh would start the videos again."""
    harness.finished()

    def url() -> str:
        return str(harness.get("/api/runs/run_finished").json["scenes"][0]["clips"][0]["url"])

    assert url() == url()


def test_every_link_of_a_run_opens(harness: WebHarness) -> None:
    """What the API hands out works."""
    harness.finished()
    run = harness.get("/api/runs/run_finished").json
    urls = [run["cuts"][0]["url"], run["cuts"][0]["download_url"], run["scenes"][0]["clips"][0]["url"]]
    for url in urls:
        assert harness.client.get(url.removeprefix(OUTSIDE["PUBLIC_URL"])).status_code == 200, url


def test_the_fonts_of_the_films_are_the_fonts_of_the_pages(harness: WebHarness) -> None:
    """Served by us, no other host is asked."""
    css = (Path(__file__).parents[2] / "webapp/static/page.css").read_text()
    # The name of a language is no address.
    assert "http" not in css.replace("xmlns='http://www.w3.org/2000/svg'", "")
    assert len(FONTS) == 6
    first = 0
    for name in FONTS:
        assert f"fonts/{name}" in css
        answer = harness.client.get(f"/static/fonts/{name}")
        assert (answer.status_code, answer.mimetype, answer.data[:4]) == (200, "font/woff2", b"wOF2")
        assert "immutable" in answer.headers["Cache-Control"]
        first += len(answer.data) if "latin" in name else 0
    assert first < 70_000, "what a first page fetches"


def test_stylesheet_and_script_are_fetched_once_for_each_release(harness: WebHarness) -> None:
    """Their address names what they hold; under the address of another release they are not kept."""
    page = harness.client.get("/sign-in").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) == 4
    for address in addresses:
        assert harness.client.get(address, buffered=True).headers["Cache-Control"].endswith("immutable"), address
        assert harness.client.get(f"{address}0", buffered=True).headers["Cache-Control"] == "no-cache", address
