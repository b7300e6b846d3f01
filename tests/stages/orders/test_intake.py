"""A picture that is named in an order is there, and is a picture, before anything is bought for it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipelines.domain.errors import (
    BadDelivery,
    Expired,
    ForbiddenAddress,
    InvalidOrder,
    ReelgridError,
    Unavailable,
    UnplayableMedia,
)
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run
from pipelines.media.editor import MediaEditor
from pipelines.stages.orders import accept, intake
from pipelines.stages.scheduler import steps
from pipelines.storage import FileStore, GuardedIntake
from pipelines.testing import make_services
from tests.net.net_server import Server
from tests.stages.stage_fixtures import STOPPED, StageHarness

URL = "https://pictures.test/a.png"


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    return StageHarness.build(tmp_path)


def clip(harness: StageHarness, *pictures: str) -> Run:
    order = Order(scenes=(SceneOrder(prompt="A cat", references=pictures),), clip_seconds=4)
    return harness.until(
        accept.start(harness.services, accept.StartRequest(source="clip", order=order)).run_id, *STOPPED
    )


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Expired("the download answered 404"), "There is nothing at this address, or it is not public."),
        (BadDelivery("the download is text/html"), "a page or a part of a file"),
        (ForbiddenAddress("loopback"), "Give a public address"),
        (UnplayableMedia("too large", marketer="The file is larger than the 50 MB allowed."), "50 MB"),
    ],
)
def test_a_picture_that_cannot_be_had_ends_the_run_at_once_with_its_field_and_why(
    harness: StageHarness, trouble: ReelgridError, words: str
) -> None:
    """None of it is about a clip, which is what the same errors say of a video service."""
    harness.intake.world[URL] = trouble
    run = clip(harness, URL)
    assert run.status == "failed"
    assert (run.error or "").startswith("image_url: The file could not be fetched.")
    assert words in (run.error or "")
    assert "video service" not in (run.error or "")
    assert harness.bought == []


def test_a_file_that_was_cut_short_once_is_fetched_again(harness: StageHarness) -> None:
    harness.intake.world[URL] = b"a picture"
    harness.intake.troubles = [BadDelivery("the answer broke off before its end")]
    assert clip(harness, URL).status == "done"
    assert harness.intake.fetched == [URL, URL]


def test_a_server_that_does_not_answer_is_named_and_asked_again(harness: StageHarness) -> None:
    harness.intake.world[URL] = Unavailable("connection refused", retry_after=7)
    with pytest.raises(Unavailable) as caught:
        intake.bring_all(harness.services, Order(references=(URL,)), None)
    assert caught.value.marketer.startswith("pictures.test does not hand out a file of this order")
    assert caught.value.retry_after == 7
    harness.intake.world[URL] = b"a picture"
    assert clip(harness, URL).status == "done"


# ---------------------------------------------------------------- with a real server and real pictures


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def picture(encoding: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(data, encoding)
    return data.getvalue()


def brought(folder: Path, server: Server, url: str) -> str:
    media = FileStore(folder / "media")
    guarded = GuardedIntake(media, folder / "work", frozenset({server.origin}))
    services = make_services(folder, media=media, editor=MediaEditor(), intake=guarded)
    order, _ = intake.bring_all(services, Order(first_frame=url), None)
    assert order.first_frame
    assert media.stat(order.first_frame)
    return order.first_frame


@pytest.mark.parametrize(("encoding", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp")])
def test_a_picture_is_known_by_what_is_in_it_whatever_its_server_says(
    server: Server, tmp_path: Path, encoding: str, suffix: str
) -> None:
    """Video services believe the type that they are told."""
    url = server.says("/picture.gif?a=b.png", body=picture(encoding), Content_Type="application/octet-stream")
    assert Path(brought(tmp_path, server, url)).suffix == suffix


@pytest.mark.parametrize("encoding", ["GIF", "TIFF", "BMP", "AVIF"])
def test_a_picture_of_another_format_is_converted(server: Server, tmp_path: Path, encoding: str) -> None:
    """No video service takes these; the same picture keeps its name, so that its scene is not bought again."""
    url = server.says("/picture.png", body=picture(encoding), Content_Type="image/png")
    key = brought(tmp_path, server, url)
    with Image.open(tmp_path / "media" / key) as converted:
        assert (converted.format, converted.size) == ("PNG", (40, 30))
        shown = converted.convert("RGB").getpixel((20, 15))
    assert isinstance(shown, tuple)
    assert max(abs(a - b) for a, b in zip(shown, (0, 128, 128), strict=True)) <= 3
    assert brought(tmp_path, server, url) == key


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (picture("GIF")[:20], "image/gif"),
        (picture("PNG")[:60], "image/png"),
        (b"ID3" + bytes(500), "audio/mpeg"),
        (b"%PDF-1.7 a brochure", "image/jpeg"),
        (b"hello", "text/plain"),
    ],
)
def test_what_no_video_service_takes_as_a_picture_is_refused_by_its_field(
    server: Server, tmp_path: Path, body: bytes, kind: str
) -> None:
    url = server.says("/picture.png", body=body, Content_Type=kind)
    with pytest.raises(InvalidOrder) as caught:
        brought(tmp_path, server, url)
    assert [(p.field, p.message) for p in caught.value.problems] == [
        ("first_frame", "The file is no picture we can read; use PNG, JPEG or WebP.")
    ]


def test_an_inside_address_is_airtables_own_for_a_row_and_nobodys_for_a_request(server: Server, tmp_path: Path) -> None:
    """Whoever may order over HTTP must not reach our emulated or proxied Airtable through us."""
    url = server.says("/picture.png", body=picture("PNG"), Content_Type="image/png")
    assert brought(tmp_path, server, url)
    media = FileStore(tmp_path / "media")
    guarded = GuardedIntake(media, tmp_path / "work", frozenset({server.origin}))
    services = make_services(tmp_path / "request", media=media, editor=MediaEditor(), intake=guarded)
    order = Order(master_prompt="A fox", references=(url,))
    run_id = accept.start(services, accept.StartRequest(source="rest", order=order)).run_id
    steps.step(services, "runs", run_id)
    with services.store.read() as tx:
        run = tx.runs.get(run_id)
    assert run
    assert (run.status, "This address cannot be used" in (run.error or "")) == (RunStatus.FAILED, True)
