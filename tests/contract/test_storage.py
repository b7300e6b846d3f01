"""One suite over every place media can be kept: files on this machine, and a bucket of a real S3 server."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from pipelines.domain.errors import Expired, InvalidOrder, NotConfigured, StorageDenied, Unavailable
from pipelines.ports import MediaStore, Stored
from pipelines.settings import load_settings
from pipelines.storage import build_store, content_key
from tests.contract.bucket import bucket_store, s3, seaweed, supabase
from tools.chaos.bucket import KEYS, SUPABASE

__all__ = ["s3", "seaweed", "supabase"]

WHEN = datetime(2026, 11, 20, tzinfo=UTC)
SMALL = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 100
LARGE = os.urandom(1024 * 1024) * 19  # three parts, the last one short


@pytest.fixture(params=["files", "s3", "supabase", "seaweed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    """An empty store, once of each kind."""
    if request.param == "files":
        return build_store(load_settings({}, tmp_path / "root"))
    return bucket_store(request.getfixturevalue(request.param), f"s3://reels/{tmp_path.name}", tmp_path)


def film(folder: Path, body: bytes = SMALL, name: str = "film.mp4") -> Path:
    path = folder / name
    path.write_bytes(body)
    return path


def key_of(body: bytes, kind: str = "clips") -> str:
    return content_key(kind, hashlib.sha256(body).hexdigest(), ".mp4", WHEN)


def put(store: MediaStore, folder: Path, body: bytes = SMALL, key: str | None = None) -> Stored:
    return store.put_file(film(folder, body), key or key_of(body), "video/mp4", "My film.mp4")


def test_keys_say_kind_month_and_content() -> None:
    sha256 = "ab" * 32
    assert content_key("clips", sha256, "mp4", WHEN) == f"clips/2026/11/{sha256}.mp4"
    assert content_key("cuts", sha256, ".mp4", WHEN) == f"cuts/2026/11/{sha256}.mp4"


@pytest.mark.parametrize("body", [SMALL, LARGE, b"x"], ids=["small", "in parts", "one byte"])
def test_what_is_stored_comes_back_whole(store: MediaStore, tmp_path: Path, body: bytes) -> None:
    stored = put(store, tmp_path, body)
    assert stored == Stored(key=key_of(body), sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    assert store.stat(stored.key) == stored
    store.fetch(stored.key, tmp_path / "deep/er/back.mp4")
    assert (tmp_path / "deep/er/back.mp4").read_bytes() == body
    assert [entry.name for entry in (tmp_path / "deep/er").iterdir()] == ["back.mp4"]


def test_what_is_taken_over_is_stored_like_what_is_put_and_stays_when_its_first_name_goes(
    store: MediaStore, tmp_path: Path
) -> None:
    source = film(tmp_path)
    stored = store.take_file(source, key_of(SMALL), "video/mp4", "My film.mp4")
    assert stored == store.take_file(source, key_of(SMALL), "video/mp4", "My film.mp4") == put(store, tmp_path)
    source.unlink()
    assert b"".join(store.open_range(stored.key, 0, stored.size)) == SMALL
    with pytest.raises(InvalidOrder):
        store.take_file(film(tmp_path, LARGE), key_of(b"x"), "video/mp4")
    assert [kept.key for kept in store.list_prefix("")] == [stored.key]


def test_storing_twice_is_success_and_changes_nothing(store: MediaStore, tmp_path: Path) -> None:
    for body in (SMALL, LARGE):
        assert put(store, tmp_path, body) == put(store, tmp_path, body)
    assert len(list(store.list_prefix(""))) == 2


def test_workers_that_store_the_same_file_at_once_all_succeed(store: MediaStore, tmp_path: Path) -> None:
    sources = [film(tmp_path, SMALL, f"{number}.mp4") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda path: store.put_file(path, key_of(SMALL), "video/mp4"), sources))
    assert set(done) == {Stored(key=key_of(SMALL), sha256=hashlib.sha256(SMALL).hexdigest(), size=len(SMALL))}


def test_another_file_never_replaces_what_is_there(store: MediaStore, tmp_path: Path) -> None:
    put(store, tmp_path, SMALL, "cuts/film.mp4")
    with pytest.raises(InvalidOrder):
        put(store, tmp_path, SMALL + b"more", "cuts/film.mp4")
    store.fetch("cuts/film.mp4", tmp_path / "back.mp4")
    assert (tmp_path / "back.mp4").read_bytes() == SMALL


def test_a_file_that_is_not_what_its_key_says_is_refused(store: MediaStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidOrder):
        put(store, tmp_path, SMALL, key_of(LARGE))
    assert store.stat(key_of(LARGE)) is None


def test_the_source_may_go_away_after_storing(store: MediaStore, tmp_path: Path) -> None:
    stored = put(store, tmp_path)
    (tmp_path / "film.mp4").unlink()
    store.fetch(stored.key, tmp_path / "back.mp4")
    (tmp_path / "back.mp4").unlink()
    assert b"".join(store.open_range(stored.key, 0, stored.size)) == SMALL


def test_writing_to_the_source_again_changes_nothing_stored(store: MediaStore, tmp_path: Path) -> None:
    stored = put(store, tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"the next clip under the same scratch name")
    assert b"".join(store.open_range(stored.key, 0, stored.size)) == SMALL


def test_fetching_replaces_what_was_at_the_destination(store: MediaStore, tmp_path: Path) -> None:
    stored = put(store, tmp_path)
    dest = film(tmp_path, b"older", "back.mp4")
    for _ in range(2):
        store.fetch(stored.key, dest)
        assert dest.read_bytes() == SMALL


@pytest.mark.parametrize(("start", "length"), [(0, 1), (0, 100), (7, 4), (25_000, 612), (25_611, 1), (25_600, 10_000)])
def test_any_range_can_be_read(store: MediaStore, tmp_path: Path, start: int, length: int) -> None:
    stored = put(store, tmp_path)
    assert b"".join(store.open_range(stored.key, start, length)) == SMALL[start : start + length]


def test_a_large_range_comes_in_pieces(store: MediaStore, tmp_path: Path) -> None:
    stored = put(store, tmp_path, LARGE)
    pieces = list(store.open_range(stored.key, 5, len(LARGE) - 5))
    assert b"".join(pieces) == LARGE[5:]
    assert len(pieces) > 2


def test_what_is_not_there_is_expired_and_deleting_it_is_success(store: MediaStore, tmp_path: Path) -> None:
    key = key_of(b"never stored")
    assert store.stat(key) is None
    with pytest.raises(Expired):
        store.fetch(key, tmp_path / "back.mp4")
    with pytest.raises(Expired):
        store.open_range(key, 0, 1)
    store.delete(key)
    assert list(tmp_path.glob("*.mp4")) + list(tmp_path.glob(".*")) == []


def test_deleting_removes_one_file_only(store: MediaStore, tmp_path: Path) -> None:
    gone, kept = put(store, tmp_path, SMALL), put(store, tmp_path, SMALL + b"2")
    store.delete(gone.key)
    store.delete(gone.key)
    assert store.stat(gone.key) is None
    assert store.stat(kept.key) == kept


def test_listing_finds_every_file_whose_key_begins_so(store: MediaStore, tmp_path: Path) -> None:
    clip, cut = put(store, tmp_path), put(store, tmp_path, SMALL, key_of(SMALL, "cuts"))
    plain = put(store, tmp_path, SMALL, "cuts/2026/11/film.mp4")
    assert list(store.list_prefix("clips/")) == list(store.list_prefix("cli")) == [clip]
    assert {found.key for found in store.list_prefix("cuts/2026/")} == {cut.key, plain.key}
    assert list(store.list_prefix("cuts/2026/11/film")) == [Stored(key=plain.key, sha256="", size=plain.size)]
    assert {found.key for found in store.list_prefix("")} == {clip.key, cut.key, plain.key}
    assert list(store.list_prefix("elsewhere/")) == []


HOSTILE = ["", "/etc/passwd", "../x", "a/../../x", "a/..", "a//b", "a/", ".hidden", "a/.part", "a\\b", "a\x00b", "a b",
           "é.mp4", "a" * 600, "a\n", "a?x", "%2e%2e/x", "~/x"]  # fmt: skip


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_that_could_lead_elsewhere_is_refused_everywhere(store: MediaStore, tmp_path: Path, key: str) -> None:
    source = film(tmp_path)
    attempts: list[Callable[[], object]] = [
        lambda: store.put_file(source, key, "video/mp4"),
        lambda: store.open_range(key, 0, 1),
        lambda: store.fetch(key, tmp_path / "back.mp4"),
        lambda: store.local_path(key),
        lambda: store.presigned(key, 60),
        lambda: store.stat(key),
        lambda: store.delete(key),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidOrder):
            attempt()


def test_the_check_passes_and_leaves_nothing(store: MediaStore) -> None:
    store.check()
    assert list(store.list_prefix("")) == []


# --- what only files do


@pytest.fixture
def files(tmp_path: Path) -> MediaStore:
    return build_store(load_settings({}, tmp_path / "root"))


def test_files_are_where_they_say_and_have_no_address_of_their_own(files: MediaStore, tmp_path: Path) -> None:
    stored = put(files, tmp_path)
    path = files.local_path(stored.key)
    assert path == tmp_path / "root/var/media" / stored.key
    assert path.read_bytes() == SMALL
    assert files.presigned(stored.key, 60) is None


def test_a_folder_is_no_file(files: MediaStore, tmp_path: Path) -> None:
    stored = put(files, tmp_path)
    assert files.stat("clips") is None
    with pytest.raises(Expired):
        files.open_range("clips", 0, 1)
    files.delete("clips")
    assert files.stat(stored.key) == stored


def test_fetching_on_one_disk_copies_no_byte(files: MediaStore, tmp_path: Path) -> None:
    stored = put(files, tmp_path)
    files.fetch(stored.key, tmp_path / "back.mp4")
    path = files.local_path(stored.key)
    assert path is not None
    assert (tmp_path / "back.mp4").samefile(path)


def test_files_outlive_the_process_that_stored_them(files: MediaStore, tmp_path: Path) -> None:
    stored = put(files, tmp_path)
    assert build_store(load_settings({}, tmp_path / "root")).stat(stored.key) == stored


def test_storing_from_and_fetching_to_another_disk_copies(files: MediaStore, tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to copy across")
    source, dest = (shared / f"reelgrid-{os.getpid()}-{name}.mp4" for name in ("in", "out"))
    source.write_bytes(SMALL)
    try:
        stored = files.put_file(source, key_of(SMALL), "video/mp4")
        assert files.put_file(source, key_of(SMALL), "video/mp4") == stored
        files.fetch(stored.key, dest)
        assert dest.read_bytes() == SMALL
    finally:
        source.unlink()
        dest.unlink(missing_ok=True)
    assert list((tmp_path / "root/var/media/.incoming").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named_by_the_check(tmp_path: Path) -> None:
    files = build_store(load_settings({}, tmp_path))
    (tmp_path / "var/media/check").write_text("a file where a folder should be")
    with pytest.raises((Unavailable, StorageDenied)):
        files.check()


def test_a_folder_that_cannot_be_written_is_waited_for(files: MediaStore, tmp_path: Path) -> None:
    (tmp_path / "root/var/media" / key_of(SMALL).split("/")[0]).write_text("a file where a folder should be")
    with pytest.raises(StorageDenied, match="folder of STORAGE_URL"):
        put(files, tmp_path, SMALL)


def test_drafts_of_killed_processes_are_forgotten_after_a_day(files: MediaStore, tmp_path: Path) -> None:
    drafts = tmp_path / "root/var/media/.incoming"
    for name in ("old", "new"):
        (drafts / name).write_bytes(b"half a film")
    os.utime(drafts / "old", (0, 0))
    build_store(load_settings({}, tmp_path / "root"))
    assert [entry.name for entry in drafts.iterdir()] == ["new"]
    assert list(files.list_prefix("")) == []


def test_a_folder_that_cannot_be_made_is_the_operators_to_fix(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    (tmp_path / "var/media").write_text("a file where a folder should be")
    with pytest.raises(NotConfigured):
        build_store(settings)


# --- what only buckets do


def test_a_presigned_address_opens_the_file_with_its_type_name_and_ranges(s3: str, tmp_path: Path) -> None:
    store = bucket_store(s3, "s3://reels/signed", tmp_path)
    stored = store.put_file(film(tmp_path), key_of(SMALL), "video/mp4", 'Ümläut "film".mp4')
    url = store.presigned(stored.key, 60)
    assert url is not None
    answer = httpx.get(url, headers={"Range": "bytes=4-11"}, timeout=60.0)
    assert (answer.status_code, answer.content) == (206, SMALL[4:12])
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Disposition"] == (
        "inline; filename=\"_ml_ut _film_.mp4\"; filename*=UTF-8''%C3%9Cml%C3%A4ut%20%22film%22.mp4"
    )
    assert store.local_path(stored.key) is None


def test_a_presigned_address_leads_through_the_path_of_supabase(supabase: str, tmp_path: Path) -> None:
    """Signed with it: there the host is asked for `/storage/v1/s3/<bucket>/<key>`."""
    store = bucket_store(supabase, "s3://reels/signed", tmp_path)
    stored = store.put_file(film(tmp_path), key_of(SMALL), "video/mp4", "Film.mp4")
    url = store.presigned(stored.key, 60) or ""
    assert urlsplit(url).path == f"{SUPABASE}/reels/signed/{stored.key}"
    assert dict(parse_qsl(urlsplit(url).query))["X-Amz-Signature"] == v4_signature(url, "GET", "secret-example")
    assert httpx.get(url, timeout=60.0).content == SMALL


def v4_signature(url: str, method: str, secret: str) -> str:
    """The signature that Amazon's rules give this presigned address (only `host` signed)."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "X-Amz-Signature"]
    facts = dict(query)
    canonical = "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query))
    request = f"{method}\n{parts.path}\n{canonical}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = facts["X-Amz-Credential"].split("/", 1)[1]
    hashed = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{facts['X-Amz-Date']}\n{scope}\n{hashed}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def test_our_reading_of_the_signature_rules_gives_amazons_published_example() -> None:
    url = (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    )
    signature = v4_signature(url, "GET", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    assert signature == "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"


@pytest.mark.parametrize(
    ("url", "more", "begins"),
    [
        ("s3://reels/pre", {"AWS_ENDPOINT_URL": "https://s3.example"}, "https://s3.example/reels/pre/clips/"),
        ("s3://reels", {"AWS_ENDPOINT_URL": "https://storage.railway.app"}, "https://reels.storage.railway.app/clips/"),
        ("s3://reels", {"AWS_ENDPOINT_URL": "https://reels.s3.example"}, "https://reels.s3.example/clips/"),
        (
            "s3://reels",
            {"AWS_ENDPOINT_URL": "https://storage.railway.app", "AWS_S3_URL_STYLE": "path"},
            "https://storage.railway.app/reels/clips/",
        ),
        (
            "s3://reels/pre",
            {"AWS_ENDPOINT_URL": "https://s3.example", "AWS_S3_URL_STYLE": "virtual"},
            "https://reels.s3.example/pre/clips/",
        ),
        ("s3://reels", {"AWS_REGION": "eu-west-1"}, "https://reels.s3.eu-west-1.amazonaws.com/clips/"),
    ],
)
def test_presigned_addresses_are_signed_by_the_rules_for_every_way_to_name_a_bucket(
    url: str, more: dict[str, str], begins: str, tmp_path: Path
) -> None:
    store = build_store(load_settings({**KEYS, "STORAGE_URL": url, **more}, tmp_path))
    signed = store.presigned(key_of(SMALL), 3600)
    assert signed is not None
    facts = dict(parse_qsl(urlsplit(signed).query))
    assert signed.startswith(begins)
    assert facts["X-Amz-Expires"] == "3600"
    assert facts["X-Amz-Signature"] == v4_signature(signed, "GET", KEYS["AWS_SECRET_ACCESS_KEY"])
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in signed


def test_a_presigned_address_never_lives_longer_than_seven_days(s3: str, tmp_path: Path) -> None:
    signed = bucket_store(s3, "s3://reels", tmp_path).presigned(key_of(SMALL), 30 * 24 * 3600)
    assert signed is not None
    assert dict(parse_qsl(urlsplit(signed).query))["X-Amz-Expires"] == str(7 * 24 * 3600)


def test_a_bucket_that_does_not_exist_is_the_operators_to_fix(s3: str, tmp_path: Path) -> None:
    store = bucket_store(s3, "s3://nowhere", tmp_path)
    with pytest.raises(StorageDenied):
        store.check()
    for body in (SMALL, LARGE):
        with pytest.raises(StorageDenied):
            put(store, tmp_path, body)
    with pytest.raises(StorageDenied):
        store.fetch(key_of(SMALL), tmp_path / "none.mp4")


def test_a_storage_server_that_refuses_us_is_the_operators_to_fix(tmp_path: Path) -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        def do_PUT(self) -> None:
            self.do_HEAD()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        store = bucket_store(f"http://127.0.0.1:{server.server_port}", "s3://reels", tmp_path)
        with pytest.raises(StorageDenied):
            store.stat(key_of(SMALL))
        with pytest.raises(StorageDenied):
            store.check()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_storage_server_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        endpoint = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(Unavailable):
        bucket_store(endpoint, "s3://reels", tmp_path).stat(key_of(SMALL))
