"""The pack over HTTP: a page for people, and a ZIP of which any part can be had."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain.keys import new_token
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.orders.platforms import Platform
from pipelines.domain.stored_files import FileKind, Pack, PackEntry, StoredFile
from pipelines.stages.orders.plan_run import plan_order
from tests.web.web_fixtures import WebHarness
from webapp.pages.pack import stored_zip

FILM = bytes(range(256)) * 40
READ_ME = b"Lumen\r\n"


@pytest.fixture
def token(harness: WebHarness) -> str:
    """A film that is ready to post."""
    cut = harness.finished(film=FILM)
    assert cut.key
    text = "See it & stay.\n"
    entries = (
        PackEntry(name="LinkedIn/post.txt", size=len(text), crc32=zlib.crc32(text.encode()), text=text),
        PackEntry(name="README.txt", size=len(READ_ME), crc32=zlib.crc32(READ_ME), text=READ_ME.decode()),
        PackEntry(name="LinkedIn/ein Füchslein.mp4", size=len(FILM), crc32=zlib.crc32(FILM), key=cut.key),
    )
    pack = Pack(id="pack_1", run_id=cut.run_id, take=0, token=new_token(), entries=entries, created_at=1.8e9)
    order = Order(master_prompt="A fox", title="A <fox> at dawn", pack=(Platform.LINKEDIN, Platform.SHORTS))
    plan = plan_order(harness.services, order, [SceneOrder(prompt="A fox walks through dew.")])
    with harness.store.write() as tx:
        tx.runs.change(cut.run_id, order=order, plan=plan)
        tx.packs.add(pack)
        tx.files.add(StoredFile(id=cut.key, kind=FileKind.CUT, size=len(FILM), run_id=cut.run_id))
    return pack.token


def test_the_zip_opens_and_holds_the_film_byte_for_byte(harness: WebHarness, token: str) -> None:
    answer = harness.client.get(f"/v/{token}/pack.zip")
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    assert archive.read("LinkedIn/ein Füchslein.mp4") == FILM
    assert archive.read("README.txt") == READ_ME
    again = harness.client.get(f"/v/{token}/pack.zip", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_any_part_of_it_can_be_had_and_head_has_no_bytes(harness: WebHarness, token: str) -> None:
    whole = harness.client.get(f"/v/{token}/pack.zip").data
    head = harness.client.head(f"/v/{token}/pack.zip")
    assert (int(head.headers["Content-Length"]), head.data) == (len(whole), b"")
    for first, last in ((0, 0), (20, 200), (len(READ_ME) + 30, 9_000), (len(whole) - 5, len(whole) - 1)):
        part = harness.client.get(f"/v/{token}/pack.zip", headers={"Range": f"bytes={first}-{last}"})
        assert (part.status_code, part.data) == (206, whole[first : last + 1])
    beyond = harness.client.get(f"/v/{token}/pack.zip", headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_the_page_says_what_to_paste_where_and_what_breaks_a_limit(harness: WebHarness, token: str) -> None:
    page = harness.client.get(f"/v/{token}/pack", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "A &lt;fox&gt; at dawn" in page.text
    assert "Shorts wants 9:16" in page.text
    assert '<pre class="post" dir="auto">See it &amp; stay.</pre>' in page.text
    assert "$" not in page.text


@pytest.mark.parametrize("path", ["pack", "pack.zip"])
def test_what_was_revoked_or_never_was_does_not_open(harness: WebHarness, token: str, path: str) -> None:
    assert harness.client.get(f"/v/{new_token()}/{path}").status_code == 404
    assert harness.client.get(f"/v/x/{path}").status_code == 404
    harness.change("cuts", "cut_run_finished", revoked_at=1.0)
    gone = harness.client.get(f"/v/{token}/{path}", headers={"Accept": "text/html"})
    assert (gone.status_code, "Ask whoever sent you this link for a new one." in gone.text) == (410, True)


def test_a_pack_of_a_file_that_is_gone_is_gone(harness: WebHarness, token: str) -> None:
    with harness.store.write() as tx:
        for row in tx.files.find():
            tx.files.remove(row.id)
    assert harness.client.get(f"/v/{token}/pack.zip").status_code == 410


def test_the_run_says_where_its_pack_is(harness: WebHarness, token: str) -> None:
    assert harness.get("/api/runs/run_finished").json["pack_url"].endswith(f"/v/{token}/pack")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=12), st.binary(max_size=300)), max_size=5), st.data())
def test_every_archive_opens_and_every_part_is_a_part_of_it(
    files: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    named = [
        (f"{number}/{''.join(char for char in name if char.isalnum())}", body)
        for number, (name, body) in enumerate(files)
    ]
    archive = stored_zip.spans([stored_zip.Member(name, len(body), zlib.crc32(body)) for name, body in named], 1.8e9)

    def member(number: int, start: int, length: int) -> Iterator[bytes]:
        yield named[number][1][start : start + length]

    size = stored_zip.size_of(archive)
    whole = b"".join(stored_zip.read(archive, 0, size, member))
    assert len(whole) == size
    opened = zipfile.ZipFile(io.BytesIO(whole))
    assert opened.testzip() is None
    assert [(info.filename, opened.read(info)) for info in opened.infolist()] == named
    start = data.draw(st.integers(0, size - 1))
    length = data.draw(st.integers(1, size - start))
    assert b"".join(stored_zip.read(archive, start, length, member)) == whole[start : start + length]


class _Endless(io.RawIOBase):
    """An archive as a file that is never whole in memory."""

    def __init__(self, archive: list[stored_zip.Span]) -> None:
        self.archive, self.place = archive, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.place = (0, self.place, stored_zip.size_of(self.archive))[whence] + offset
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, size: int = -1, /) -> bytes:
        left = stored_zip.size_of(self.archive) - self.place
        wanted = min(size if size >= 0 else left, left)
        found = b"".join(stored_zip.read(self.archive, self.place, wanted, _nought_then_hello)) if wanted else b""
        self.place += len(found)
        return found


def _nought_then_hello(number: int, start: int, length: int) -> Iterator[bytes]:
    yield b"hello"[start : start + length] if number else bytes(length)


def test_films_of_more_than_four_gigabytes_have_their_place() -> None:
    members = [stored_zip.Member("large.mp4", 5 << 30, 1), stored_zip.Member("after.txt", 5, zlib.crc32(b"hello"))]
    opened = zipfile.ZipFile(_Endless(stored_zip.spans(members, 1.8e9)))
    assert opened.getinfo("large.mp4").file_size == 5 << 30
    assert opened.read("after.txt") == b"hello"
