"""Two customers of one deployment, and one of them has everything that a customer can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask.testing import FlaskClient

from pipelines.domain.customers.batches import Batch
from pipelines.domain.customers.notices import USUAL, Endpoint, Facts, Notice, NoticeStatus, NoticeType
from pipelines.domain.lifecycle import CutStatus, GenerationStatus, RunStatus, SceneStatus
from pipelines.domain.money import Account, Posting
from pipelines.domain.orders.order import Order, SceneOrder, words_of
from pipelines.domain.records import (
    ApiKey,
    Base,
    Clip,
    CustomerAccount,
    Cut,
    Event,
    LedgerEntry,
    LotKind,
    Project,
    QueueSweep,
    Run,
    SavedOrder,
    Share,
)
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.security import api_keys
from pipelines.stages.orders.plan_run import plan_order
from pipelines.stages.spending import credit_book, credit_lots
from tests.web.web_fixtures import WebHarness

MARK = "zebrafinch"
"""Stands in every text and name of the first account, and nowhere else."""
RECORD = "recZebraFinch0000"
THEIR_BASE, OTHER_BASE = "appZebraFinch0000", "appOfNobody000000"
ALL_SCOPES = ("trigger", "read", "manage")


@dataclass(frozen=True)
class Customer:
    """An account with a key."""

    account_id: str
    key_id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def customer(harness: WebHarness, name: str, *scopes: str) -> Customer:
    """An account of that name, and its first key."""
    made = api_keys.new_api_key()
    account = CustomerAccount(id=f"acc_{name}", name=name, created_at=harness.clock.now())
    key = ApiKey(id=made.id, name=name, sha256=made.sha256, scopes=scopes or ALL_SCOPES, account_id=account.id)
    with harness.store.write() as tx:
        assert tx.accounts.add(account)
        assert tx.keys.add(key)
    return Customer(account.id, made.id, made.key)


def signed_in(harness: WebHarness, who: Customer) -> FlaskClient:
    """A browser in which somebody signed in with the key."""
    harness.app.config["WTF_CSRF_ENABLED"] = False
    browser = harness.client
    assert browser.post("/sign-in", data={"key": who.key}).status_code == 303
    return browser


def belongings(harness: WebHarness, who: Customer) -> Mapping[str, str]:
    """A base, a finished run of one of its rows, a run with money in doubt, a sweep, and what was paid: their ids, by
    the names that they have in addresses.
    """
    now = harness.clock.now()
    with harness.store.write() as tx:
        assert tx.bases.add(Base(id=THEIR_BASE, name=MARK, account_id=who.account_id))
        assert tx.projects.add(Project(id="prj_1", name=MARK, account_id=who.account_id))
        credit_lots.grant(
            tx, now, who.account_id, 1_000_000, kind=LotKind.PAID, source=f"{MARK}-invoice", expires_at=None
        )
        assert tx.sweeps.add(QueueSweep(id=f"swp_{MARK}", base_id=THEIR_BASE, status="done"))
    owned: dict[str, Any] = {"account_id": who.account_id, "key_id": who.key_id}
    order = Order(scenes=(SceneOrder(prompt=MARK),), scene_count=1, title=MARK)
    cut = harness.finished(f"run_{MARK}", base_id=THEIR_BASE, record_id=RECORD, **owned)
    doubtful = Run(
        id=f"run_{MARK}_2",
        status=RunStatus.NEEDS_ATTENTION,
        source="rest",
        order=order,
        plan=plan_order(harness.services, order),
        words=words_of(order, None),
        created_at=now,
        updated_at=now,
        **owned,
    )
    gen = harness.generation(doubtful.id, id=f"gen_{MARK}", status=GenerationStatus.UNKNOWN, idem_key=MARK)
    harness.put(doubtful, harness.scene(doubtful.id, status=SceneStatus.GENERATING), gen)
    harness.put(Event(at=now, entity="run", entity_id=doubtful.id, run_id=doubtful.id, name="status", new="queued"))
    film = Cut(id=f"cut_{MARK}", run_id=doubtful.id, take=0, format="16:9", status=CutStatus.DELIVERED, token=MARK)
    clip = Clip(
        id=f"clip_{MARK}", run_id=doubtful.id, scene_id=gen.scene_id, fingerprint=MARK, sha256=MARK, key=MARK, size=1
    )
    harness.put(film, clip)
    with harness.store.write() as tx:
        tx.post(
            [
                LedgerEntry(
                    at=now,
                    day="2026-11-29",
                    posting_id=MARK,
                    posting=Posting.CAPTURE,
                    account=Account.SPENT,
                    amount=700_000,
                    run_id=doubtful.id,
                    model=f"{MARK}/film",
                    base_id=THEIR_BASE,
                    project_id="prj_1",
                    record_id=RECORD,
                    **owned,
                )
            ]
        )
        sold = replace(doubtful, price_micro=credit_book.reserve(tx, now, doubtful, 700_000, harness.services.prices))
        credit_book.capture(tx, now, sold, 700_000, replace(gen, model=f"{MARK}/film"))
        tx.runs.change(doubtful.id, price_micro=sold.price_micro)
    endpoint = Endpoint(
        id=f"ep_{MARK}",
        account_id=who.account_id,
        address=SealedAddress(shown=f"https://{MARK}.example/…"),
        events=tuple(USUAL),
        sealed_secret="",
        description=MARK,
    )
    notice = Notice(
        id=f"msg_{MARK}",
        account_id=who.account_id,
        endpoint_id=endpoint.id,
        type=NoticeType.ENDPOINT_TEST,
        event=MARK,
        target=endpoint.id,
        facts=Facts(at=now, endpoint_id=endpoint.id),
        status=NoticeStatus.FAILED,
        created_at=now,
    )
    with harness.store.write() as tx:
        assert tx.endpoints.add(endpoint)
        assert tx.notices.add(notice)
    share = Share(id=f"share_{MARK}", run_id=doubtful.id, token=MARK, expires_at=now + 1000.0)
    with harness.store.write() as tx:
        assert tx.shares.add(share)
    with harness.store.write() as tx:
        assert tx.saved_orders.add(SavedOrder(id=f"ord_{MARK}", account_id=who.account_id, title=MARK, saved_at=now))
        assert tx.batches.add(Batch(id=f"bat_{MARK}", account_id=who.account_id, metadata={"of": MARK}))
    return {
        "batch_id": f"bat_{MARK}",
        "endpoint_id": endpoint.id,
        "notice_id": notice.id,
        "share_id": share.id,
        "draft_id": f"ord_{MARK}",
        "run_id": doubtful.id,
        "record_id": RECORD,
        "generation_id": gen.id,
        "sweep_id": f"swp_{MARK}",
        "key_id": who.key_id,
        "base_id": THEIR_BASE,
        "clip_id": clip.id,
        "cut_id": cut.id,
        "token": cut.token,
        "n": "1",
    }


UNKNOWN: Mapping[str, str] = {
    "share_id": "share_of_nobody",
    "draft_id": "ord_of_nobody",
    "batch_id": "bat_of_nobody",
    "clip_id": "clip_of_nobody",
    "cut_id": "cut_of_nobody",
    "endpoint_id": "ep_of_nobody",
    "notice_id": "msg_of_nobody",
    "run_id": "run_of_nobody",
    "record_id": "recOfNobody000000",
    "generation_id": "gen_of_nobody",
    "sweep_id": "swp_of_nobody",
    "key_id": "0123456789ab",
    "base_id": OTHER_BASE,
    "token": "A" * 43,
    "n": "1",
}
"""Ids of the same kinds that belong to nobody."""
