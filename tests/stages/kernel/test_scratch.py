"""The scratch folder of a machine whose films are kept in a bucket: filled as needed, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.domain.errors import UnplayableMedia
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.testing.services import make_services
from tests.contract.bucket import bucket_store, s3

__all__ = ["s3"]
HOUR, DAY = 3_600.0, 86_400.0
CLIP = b"clip" * 1000


@pytest.fixture
def services(s3: str, tmp_path: Path) -> Services:
    return make_services(tmp_path, media=bucket_store(s3, f"s3://reels/{tmp_path.name}", tmp_path))


def store(services: Services, *keys: str) -> list[str]:
    for key in keys:
        source = services.work.parent / "source"
        source.write_bytes(CLIP)
        services.media.put_file(source, key, "video/mp4")
    return list(keys)


def copies(services: Services) -> Iterator[Path]:
    return (path for path in services.work.rglob("*") if path.is_file())


def test_many_who_need_a_file_at_once_all_get_the_whole_of_it(services: Services) -> None:
    (key,) = store(services, "clips/a.mp4")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: scratch.local(services, key).read_bytes(), range(16)))
    assert found == [CLIP] * 16
    assert len(list(copies(services))) == 1


def test_a_file_that_nobody_used_for_a_day_goes_and_comes_back_when_it_is_needed(services: Services) -> None:
    (key,) = store(services, "clips/a.mp4")
    path = scratch.local(services, key)
    assert scratch.sweep(services, time.time() + HOUR) == 0
    assert scratch.sweep(services, time.time() + DAY + HOUR) == 1
    assert not path.exists()
    assert scratch.local(services, key).read_bytes() == CLIP


def test_what_follows_from_its_name_is_made_once_however_many_want_it_and_goes_like_the_rest(
    services: Services,
) -> None:
    makers: list[Path] = []

    def make(path: Path) -> None:
        makers.append(path)
        path.write_bytes(CLIP)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: scratch.made(services, "card-a.mp4", make), range(16)))
    assert (found, len(makers)) == ({makers[0]}, 1)
    assert scratch.sweep(services, time.time() + HOUR) == 0
    scratch.sweep(services, time.time() + DAY + HOUR)
    assert list(copies(services)) == []
    assert scratch.made(services, "card-a.mp4", make).read_bytes() == CLIP


def test_what_could_not_be_made_leaves_nothing_in_the_way(services: Services) -> None:
    def fail(path: Path) -> None:
        raise UnplayableMedia(path.name)

    with pytest.raises(UnplayableMedia):
        scratch.made(services, "card-a.mp4", fail)
    assert scratch.made(services, "card-a.mp4", lambda path: path.write_bytes(CLIP)).read_bytes() == CLIP


def test_copies_give_way_beyond_their_share_of_the_disk_but_not_those_in_use(services: Services) -> None:
    first, second, third = store(services, "clips/a.mp4", "clips/b.mp4", "clips/c.mp4")
    for key in (first, second, third, first):
        scratch.local(services, key)
    room = 2 * len(CLIP)
    assert scratch.sweep(services, time.time(), cache_bytes=room) == 0
    assert scratch.sweep(services, time.time() + 2 * HOUR, cache_bytes=room) == 1
    assert sorted(path.name for path in copies(services)) == ["clips_a.mp4", "clips_c.mp4"]


def test_what_a_killed_step_left_goes_with_its_folder(services: Services) -> None:
    left = services.work / "cuts" / "cut_1" / ".film.0123.mp4"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a film")
    scratch.sweep(services, time.time() + HOUR)
    assert left.exists()
    scratch.sweep(services, time.time() + DAY + HOUR)
    assert not left.exists()
    scratch.sweep(services, time.time() + 3 * DAY)
    assert not left.parent.exists()
