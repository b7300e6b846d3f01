"""Erasing a row: what people wrote is found nowhere afterwards, the books balance, and what others use stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from pipelines.database import SqlStore
from pipelines.database.tables import TABLES
from pipelines.domain.errors import NotAllowed, NotFound
from pipelines.domain.lifecycle import RunStatus
from pipelines.stages.decisions import control
from pipelines.stages.files.erase import erase
from pipelines.stages.views import run_view
from pipelines.testing.airtable import BASE
from pipelines.testing.fakes import ScriptedSpeech
from tests.stages.stage_fixtures import StageHarness

CANARY = "zebrafinch"
PICTURE = "https://pictures.example/zebrafinch.png"
ROW = {
    "Title": f"The {CANARY} film",
    "Prompt": f"A {CANARY} sings\nA {CANARY} flies",
    "Reference Images": [{"url": PICTURE}],
    "Captions": "Burned",
    "Style Notes": f"{CANARY} blue",
}


@pytest.fixture
def harness(tmp_path: Path) -> StageHarness:
    made = StageHarness.build(tmp_path)
    made.intake.world[PICTURE] = f"a picture of a {CANARY}".encode()
    return made


def everything(harness: StageHarness) -> str:
    """All rows of all tables, and all names and bytes in storage."""
    store = cast("SqlStore", harness.services.store)
    with store.engine.connect() as connection:
        rows = [str(row) for name in TABLES for row in connection.execute(text(f'SELECT * FROM "{name}"'))]
    media = harness.services.media
    files = [
        found.key + b"".join(media.open_range(found.key, 0, found.size)).decode("latin-1")
        for found in media.list_prefix("")
        if found.size
    ]
    return "\n".join((*rows, *files))


def test_what_was_written_is_found_nowhere_and_the_books_balance(harness: StageHarness) -> None:
    record, run = harness.film(**ROW)
    assert run.status is RunStatus.DONE
    (cut,) = harness.cuts(run)
    assert everything(harness).count(CANARY) > 10
    with harness.services.store.read() as tx:
        spent = tx.balance("spent")
    done = erase(harness.services, BASE, record, actor="test")
    assert done.runs == (run.id,)
    assert CANARY not in everything(harness)
    (note,) = harness.services.media.list_prefix("")
    told = b"".join(harness.services.media.open_range(note.key, 0, note.size))
    assert json.loads(told) == {"what": "row", "id": record, "columns": {"base_id": BASE}}, "for a restore: ids alone"
    with harness.services.store.read() as tx:
        assert tx.balance("spent") == spent > 0
        assert tx.files.count() == 0
        gone = tx.cuts.get(cut.id)
        assert gone is not None
        assert gone.revoked_at is not None
    assert harness.balanced()
    assert [event.actor for event in harness.events(run, "erased")] == ["test"]


def test_the_run_can_still_be_looked_at_and_its_row_be_ordered_again(harness: StageHarness) -> None:
    record, run = harness.film(**ROW)
    erase(harness.services, BASE, record)
    view = run_view.run_view(harness.services, run.id)
    assert view["status"] == "done"
    assert CANARY not in str(view)
    again = harness.make(record)
    assert again.status is RunStatus.DONE
    assert len(harness.bought) == 4, "what was erased is bought anew"


def test_a_dry_run_says_the_same_and_changes_nothing(harness: StageHarness) -> None:
    record, _ = harness.film(**ROW)
    before = everything(harness)
    told = erase(harness.services, BASE, record, dry_run=True)
    assert everything(harness) == before
    assert erase(harness.services, BASE, record) == told


def test_nothing_is_erased_while_something_moves(harness: StageHarness) -> None:
    run = harness.until(harness.trigger(record := harness.row(**ROW)), "generating")
    with pytest.raises(NotAllowed, match=f"{run.id} is not over"):
        erase(harness.services, BASE, record)
    with pytest.raises(NotFound):
        erase(harness.services, BASE, "recNobodyKnows0001")


def test_nothing_is_erased_while_a_line_is_asked_for(harness: StageHarness) -> None:
    """Its row says what is set aside for it: without that, the money would be set aside for ever."""
    record, _ = harness.film(**{"Master Prompt": "A fox", "Scene Count": 1})
    harness.airtable.edit("Videos", record, Voiceover=True, Voice="acme/anna")
    run_id = harness.trigger(record)

    def cancel_and_erase() -> None:
        control.cancel(harness.services, run_id, "a person")
        with pytest.raises(NotAllowed, match=f"{run_id} is not over"):
            erase(harness.services, BASE, record)

    cast("ScriptedSpeech", harness.services.speech).meanwhile = cancel_and_erase
    harness.until(run_id, "cancelled")
    harness.settle()
    erase(harness.services, BASE, record)
    with harness.services.store.read() as tx:
        assert tx.balance("committed") == 0
    assert harness.balanced()


def test_a_clip_that_another_row_reuses_stays_with_it(harness: StageHarness) -> None:
    """Its film was made from it, and is not the erased one's."""
    first, _ = harness.film(Prompt="A cat")
    _, second = harness.film(Prompt="A cat")
    (clip,) = harness.clips(second)
    done = erase(harness.services, BASE, first)
    assert clip.key in done.kept
    assert harness.services.media.stat(clip.key) is not None
    (still,) = harness.clips(second)
    assert still.deleted_at is None
