"""Our storage refuses us or is away, for hours: what is paid for waits for it, and is neither lost nor bought again."""

from __future__ import annotations

from pathlib import Path

import pytest
from typing_extensions import override

from pipelines.domain.errors import ReelgridError, StorageDenied, StorageUnavailable
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.ports import Stored
from pipelines.stages.orders import accept
from pipelines.storage.files import FileStore
from tests.stages.stage_fixtures import StageHarness

AWAY_S = 7 * 3600.0
"""Longer than any count of tries lasts, and shorter than the provider keeps its clips."""


class SpoiltStore(FileStore):
    """A store that answers with `trouble` while that is set."""

    trouble: ReelgridError | None = None

    @override
    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        self._answer()
        return super().put_file(path, key, content_type, filename)

    @override
    def local_path(self, key: str) -> Path:
        self._answer()
        return super().local_path(key)

    def _answer(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def ordered(harness: StageHarness) -> str:
    wish = Order(scenes=(SceneOrder(prompt="a lake"), SceneOrder(prompt="a hill")), model="acme/film")
    return accept.start(harness.services, accept.StartRequest(source="rest", order=wish)).run_id


def wait(harness: StageHarness, seconds: float) -> None:
    began = harness.clock.now()
    while harness.clock.now() < began + seconds:
        harness.work()
        harness.clock.pass_by(75.0)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [StorageDenied("403"), StorageUnavailable("507")], ids=["denied", "away"])
def test_clips_that_cannot_be_stored_wait_for_storage(tmp_path: Path, trouble: ReelgridError) -> None:
    media = SpoiltStore(tmp_path / "media")
    harness = StageHarness.build(tmp_path, media=media)
    harness.vendor().keeps_s = 24 * 3600.0
    run = ordered(harness)
    media.trouble = trouble
    wait(harness, AWAY_S)
    assert harness.run(run).status == "generating"
    assert "Our storage" in harness.run(run).detail
    media.trouble = None
    assert harness.until(run, "done", "needs_attention", "failed").status == "done"
    assert (sorted(harness.bought), harness.balanced()) == (["a hill", "a lake"], True)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["references", "music", "font"])
def test_a_file_that_cannot_be_stored_is_not_blamed_on_its_host(tmp_path: Path, place: str) -> None:
    """Where the picture, the music or the font of an order comes from has handed it out."""
    media = SpoiltStore(tmp_path / "media")
    harness = StageHarness.build(tmp_path, media=media)
    url = "https://pictures.test/file"
    harness.intake.world[url] = b"a file"
    media.trouble = StorageUnavailable("507")
    order = Order(
        scenes=(SceneOrder(prompt="a lake", references=(url,) if place == "references" else ()),),
        model="acme/film",
        music=url if place == "music" else None,
        brand=Brand(name="Acme", font=url) if place == "font" else None,
    )
    run = accept.start(harness.services, accept.StartRequest(source="clip", order=order)).run_id
    wait(harness, AWAY_S)
    assert harness.run(run).status in {"queued", "writing"}
    assert harness.run(run).detail == StorageUnavailable.default
    media.trouble = None
    assert harness.until(run, "done", "needs_attention", "failed").status == "done"
    assert (harness.bought, harness.balanced()) == (["a lake"], True)


def test_a_film_whose_clips_may_not_be_read_waits_for_storage(tmp_path: Path) -> None:
    media = SpoiltStore(tmp_path / "media")
    harness = StageHarness.build(tmp_path, media=media)
    run = ordered(harness)
    harness.until(run, "stitching", "done")
    media.trouble = StorageDenied("403")
    wait(harness, AWAY_S / 4)
    assert harness.run(run).status == "stitching"
    assert "Our storage does not let us in" in harness.run(run).detail
    media.trouble = None
    assert harness.until(run, "done", "needs_attention", "failed").status == "done"
    assert (sorted(harness.bought), harness.balanced()) == (["a hill", "a lake"], True)
