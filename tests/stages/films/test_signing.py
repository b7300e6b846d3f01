"""A signed film is the film: all that is known of its bytes is known of the signed ones."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path

import pytest

from pipelines.domain.errors import NotConfigured
from pipelines.domain.footage import DigitalSource
from pipelines.domain.orders.order import Order
from pipelines.domain.records import Cut, Run
from pipelines.stages.films.signing import NOT_SIGNED, source_of
from pipelines.testing import ScriptedSigner
from tests.stages.stage_fixtures import StageHarness

PICTURE = "https://dl.airtable.test/logo"


def _bytes_of(harness: StageHarness, key: str | None) -> bytes:
    path = harness.services.media.local_path(key or "")
    assert path is not None
    return path.read_bytes()


def _agrees(harness: StageHarness, cut: Cut, run: Run) -> None:
    """The row of the film, its file, its provenance and its place in the pack."""
    whole = _bytes_of(harness, cut.key)
    sha = hashlib.sha256(whole).hexdigest()
    assert (cut.sha256, cut.size, cut.footage.size_bytes) == (sha, len(whole), len(whole))
    assert cut.key is not None
    assert sha in cut.key
    assert json.loads(_bytes_of(harness, cut.extras["provenance"]))["film_sha256"] == sha
    with harness.services.store.read() as tx:
        (pack,) = tx.packs.find(run_id=run.id)
        stored = tx.files.get(cut.key)
    assert stored is not None
    assert stored.sha256 == sha
    assert (len(whole), zlib.crc32(whole)) in {(one.size, one.crc32) for one in pack.entries if one.key == cut.key}


def test_what_is_known_of_a_film_is_known_of_it_as_it_was_signed(tmp_path: Path) -> None:
    signer = ScriptedSigner()
    harness = StageHarness.build(tmp_path, signer=signer)
    wish = {"Prompt": "A cat\nA dog", "Pack": ["TikTok", "YouTube"], "Title": "Spring", "Title Card": "Hello"}
    record, run = harness.film(**wish)
    assert harness.cells(record)["Status"] == "Done"
    for cut in harness.cuts(run):
        assert _bytes_of(harness, cut.key)[-12:-8] == b"free"
        _agrees(harness, cut, run)
    clips = [harness.services.media.local_path(clip.key) for clip in harness.clips(run)]
    trained = DigitalSource.WITH_TRAINED_MODELS
    assert signer.asked == [(cut.filename, clips, trained) for cut in harness.cuts(run)]


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"Music Mood": "Calm"}, DigitalSource.COMPUTED),
        ({"Logo": [{"id": "att1", "url": PICTURE, "type": "image/png"}]}, DigitalSource.COMPUTED_AND_GIVEN),
        ({"Voiceover": True}, DigitalSource.WITH_TRAINED_MODELS),
    ],
)
def test_a_film_drawn_here_is_not_said_to_be_of_a_trained_model(
    fields: dict[str, object], source: DigitalSource, tmp_path: Path
) -> None:
    signer = ScriptedSigner()
    harness = StageHarness.build(tmp_path, signer=signer)
    harness.intake.world[PICTURE] = b"a logo"
    record = harness.row(Model="local/animatic", **fields)
    words = {"Prompt": "A cat", "Narration": "Here it comes.", "Scene #": 1, "Status": "Draft"}
    harness.airtable.add("Scenes", Video=[record], **words)
    harness.make(record)
    assert harness.cells(record)["Status"] == "Done"
    assert [said for *_, said in signer.asked] == [source]


def test_one_clip_of_a_trained_model_makes_the_film_one_of_it(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    clips = [
        clip
        for model in ("acme/film", "local/animatic")
        for clip in harness.clips(harness.film(Prompt=model, Model=model)[1])
    ]
    assert source_of(Order(), [], clips) is DigitalSource.WITH_TRAINED_MODELS
    assert source_of(Order(), [], clips[1:]) is DigitalSource.COMPUTED


def test_a_worker_that_dies_after_signing_leaves_a_film_that_agrees_with_its_row(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path, signer=ScriptedSigner(), forgiving=True)

    def die() -> None:
        raise RuntimeError("killed")

    harness.points.at("cut.stored", die)
    record, run = harness.film(Prompt="A cat", Pack=["YouTube"])
    assert harness.cells(record)["Status"] == "Done"
    assert "cut.stored" in harness.points.reached
    (cut,) = harness.cuts(run)
    _agrees(harness, cut, run)
    assert _bytes_of(harness, cut.key)[-1] == 2


def test_a_film_that_cannot_be_signed_is_delivered_and_its_row_says_so(tmp_path: Path) -> None:
    signer = ScriptedSigner()
    signer.broken = NotConfigured("C2PA_CERTIFICATE is no certificate", marketer="no")
    harness = StageHarness.build(tmp_path, signer=signer)
    record, run = harness.film(Prompt="A cat", Pack=["YouTube"])
    assert (harness.cells(record)["Status"], harness.cells(record)["Status Detail"]) == (
        "Done",
        f"The film is ready. {NOT_SIGNED}",
    )
    (cut,) = harness.cuts(run)
    assert cut.sha256 == hashlib.sha256(_bytes_of(harness, cut.key)).hexdigest()
    assert b"free" not in _bytes_of(harness, cut.key)[-16:]


def test_a_preview_is_no_film_and_is_not_signed(tmp_path: Path) -> None:
    signer = ScriptedSigner()
    harness = StageHarness.build(tmp_path, signer=signer, approval_above_micro=0)
    record = harness.row(Prompt="A cat", Preview="Animatic")
    run = harness.make(record)
    with harness.services.store.read() as tx:
        assert [cut.animatic for cut in tx.cuts.find(run_id=run.id)] == [True]
    assert signer.asked == []
