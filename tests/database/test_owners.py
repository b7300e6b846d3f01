"""One account's view of the database: what belongs to others is not there, whatever is asked and in whatever way."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipelines.database import SqlStore
from pipelines.database.tables import OF_NOBODY, OWNERS, RECORDS
from pipelines.domain.customers.batches import Batch
from pipelines.domain.customers.notices import Attempt, Endpoint, Notice, NoticeType
from pipelines.domain.lifecycle import CutStatus, GenerationStatus, RunStatus
from pipelines.domain.money import Account, CreditAccount, CreditPosting, Posting
from pipelines.domain.records import (
    ApiKey,
    Balance,
    Base,
    Clip,
    Comment,
    CreditEntry,
    CustomerAccount,
    Cut,
    DayTotal,
    Event,
    Generation,
    LedgerEntry,
    Lot,
    LotKind,
    Project,
    Purchase,
    Reservation,
    Run,
    SavedOrder,
    Scene,
    SearchVector,
    Share,
    SpentLink,
)
from pipelines.domain.state.action_link import Act
from pipelines.domain.state.generation import GenerationRequest
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.domain.stored_files import FileKind, Pack, StoredFile

WHO = ("acc_a", "acc_b", None)
DAY = "2026-11-29"


def rows_of(who: str | None) -> dict[str, Any]:
    """One row of each table that belongs to somebody."""
    name = who or "operator"
    run, archived = f"run_{name}", WHO.index(who) + 1
    event = Event(at=1.0, entity="run", entity_id=run, run_id=run, name="status")
    entry = LedgerEntry(
        at=1.0,
        day=DAY,
        posting_id=name,
        posting=Posting.CAPTURE,
        account=Account.SPENT,
        amount=7,
        run_id=run,
        generation_id=f"gen_{name}",
        account_id=who,
    )
    made: dict[str, Any] = {
        "accounts": CustomerAccount(id=name, name=name),
        "projects": Project(id=f"prj_{name}", name=name, account_id=who),
        "keys": ApiKey(id=f"key_{name}", name=name, sha256="0" * 64, account_id=who),
        "bases": Base(id=f"app_{name}", account_id=who),
        "runs": Run(id=run, status=RunStatus.DONE, source="rest", account_id=who),
        "scenes": Scene(id=f"scene_{name}", run_id=run, number=1, key=run, prompt="A fox."),
        "generations": Generation(
            id=f"gen_{name}",
            run_id=run,
            scene_id=f"scene_{name}",
            status=GenerationStatus.FETCHED,
            provider="acme",
            model="acme/film",
            request=GenerationRequest(),
            idem_key=name,
            callback_token=name,
        ),
        "clips": Clip(
            id=f"clip_{name}", run_id=run, scene_id=f"scene_{name}", fingerprint="f", sha256="", key="k", size=1
        ),
        "cuts": Cut(id=f"cut_{name}", run_id=run, take=0, format="16:9", status=CutStatus.DELIVERED, token=name),
        "shares": Share(id=f"share_{name}", run_id=run, token=name),
        "comments": Comment(id=f"comment_{name}", share_id=f"share_{name}", run_id=run, at=1.0),
        "packs": Pack(id=f"pack_{name}", run_id=run, take=0, token=name),
        "spent_links": SpentLink(id=f"{run}:1", run_id=run, act=Act.APPROVE, at=1.0),
        "purchases": Purchase(
            id=f"pur_{name}",
            run_id=run,
            account_id=who,
            kind="speech",
            fingerprint=name,
            status=GenerationStatus.FETCHED,
        ),
        "search_vectors": SearchVector(
            id=f"{run}:1:m", run_id=run, scene=1, model="m", account_id=who, text_hash="", vector=b"v"
        ),
        "files": StoredFile(id=f"clips/{name}.mp4", kind=FileKind.CLIP, size=1, run_id=run, account_id=who),
        "events": event,
        "event_archive": dataclasses.replace(event, id=archived),
        "ledger": entry,
        "ledger_archive": dataclasses.replace(entry, id=archived),
        "balances": Balance(id=f"run:{run}", kind="run", account_id=who, spent=7),
        "day_totals": DayTotal(id=name, day=DAY, account_id=who, spent_micro=7),
        "endpoints": Endpoint(id=f"ep_{name}", account_id=who, address=SealedAddress(), sealed_secret=""),
        "notices": Notice(id=f"msg_{name}", account_id=who, type=NoticeType.ENDPOINT_TEST, event=name, target=name),
        "saved_orders": SavedOrder(id=f"ord_{name}", account_id=who),
        "batches": Batch(id=f"bat_{name}", account_id=who),
        "attempts": Attempt(id=f"att_{name}", account_id=who, notice_id=f"msg_{name}", at=1.0),
        "lots": Lot(id=f"lot_{name}", account_id=name, kind=LotKind.PAID, source=name),
        "credits": CreditEntry(
            at=1.0,
            day=DAY,
            posting_id=name,
            posting=CreditPosting.GRANT,
            account=CreditAccount.AVAILABLE,
            amount=7,
            lot_id=f"lot_{name}",
            account_id=name,
        ),
        "reservations": Reservation(
            id=name, run_id=run, lot_id=f"lot_{name}", account_id=name, credit_micro=1, reserved_micro=7
        ),
    }
    return made


@pytest.fixture
def store(store: SqlStore) -> SqlStore:
    """With a row of each owner in each table."""
    with store.write() as tx:
        for who in WHO:
            for table, row in rows_of(who).items():
                assert getattr(tx, table).add(row)
    return store


def test_of_every_table_it_is_said_whose_its_rows_are() -> None:
    """A new table is in one list or the other."""
    assert OWNERS.keys() | OF_NOBODY == RECORDS.keys()
    assert not OWNERS.keys() & OF_NOBODY
    assert rows_of(None).keys() == OWNERS.keys()


@pytest.mark.parametrize("table", OWNERS)
def test_an_account_sees_and_changes_only_its_own_rows(store: SqlStore, table: str) -> None:
    with store.read() as tx:
        every = {row.id: row for row in getattr(tx, table).find()}
    assert len(every) == len(WHO)
    view = store.of("acc_b")
    with view.write() as tx:
        rows = getattr(tx, table)
        (own,) = rows.find()
        others = [each for each in every if each != own.id]
        assert "acc_b" in (own.id, getattr(own, OWNERS[table], None)) or own.run_id == "run_acc_b"
        assert rows.count() == 1
        assert rows.get(own.id, lock=True) == own
        assert rows.find(id=tuple(every), order="-id", limit=5) == [own]
        column = next(f.name for f in dataclasses.fields(own) if f.name not in ("id", OWNERS[table]))
        same = {column: getattr(own, column)}
        assert rows.change_all(tuple(every), {}, before={}, **same) == {own.id}
        for each in others:
            assert rows.get(each) is None
            assert rows.count(id=each) == 0
            assert not rows.change(each, **same)
            assert not rows.remove(each)
        rows.change_each([(each, {}, same) for each in every])
    with store.read() as tx:
        assert {row.id: row for row in getattr(tx, table).find()} == every


def test_asking_for_anothers_by_name_shows_nothing(store: SqlStore) -> None:
    with store.of("acc_b").read() as tx:
        assert tx.runs.find(account_id="acc_a") == tx.runs.find(account_id=None) == []
        assert not tx.scenes.find(run_id="run_acc_a")
        assert not tx.events.find(run_id=None)
        assert [row.spent_micro for row in tx.usage(["day"])] == [7]
        assert tx.account_id == "acc_b"
    with store.read() as tx:
        assert [row.spent_micro for row in tx.usage(["day"])] == [21]
        assert tx.account_id is None


def test_what_an_account_adds_is_its_own(store: SqlStore) -> None:
    """Whatever the row says."""
    with store.of("acc_b").write() as tx:
        tx.runs.add(Run(id="run_new", status=RunStatus.QUEUED, source="rest", account_id="acc_a"))
    with store.read() as tx:
        run = tx.runs.get("run_new")
    assert run
    assert run.account_id == "acc_b"
