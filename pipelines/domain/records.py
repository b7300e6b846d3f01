"""What is remembered, one frozen record per row of SQL. Times are seconds since the epoch, money micro-dollars.

`next_at` is when a row wants attention (None: never by itself); a `lease_*` triple says who is working on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pipelines.domain.footage import Footage, Verdict
from pipelines.domain.lifecycle import (
    CutStatus,
    GenerationStatus,
    Reason,
    ReviewVerdict,
    RunSource,
    RunStatus,
    SceneStatus,
)
from pipelines.domain.money import Account, CreditAccount, CreditPosting, Posting
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.clip_settings import SceneSettings
from pipelines.domain.planning.plan import Plan
from pipelines.domain.planning.script import Script
from pipelines.domain.state.action_link import Act
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.domain.state.base import BaseState
from pipelines.domain.state.delivery import Attachment, JoinReport
from pipelines.domain.state.generation import GenerationRequest, GenerationResult
from pipelines.domain.state.history import EventDetail
from pipelines.domain.state.open_json import JsonObject
from pipelines.domain.state.replay import KeptAnswer
from pipelines.domain.state.sealed_address import SealedAddress

LAST_FRAME = "last_frame"
"""In `Clip.prepared`: the picture from which the next scene goes on."""
THUMBNAIL = "thumbnail"
"""In `Clip.prepared`: a small picture that stands for the clip on pages."""

RESTORED = "restored"
"""The checkpoint of when this database was brought back from a backup."""
KNOWN_UNTIL = "known_until"
"""The checkpoint of when that backup was written: what happened between the two is not known here."""

ALIVE_S = 15.0
"""A process beats every 2 s."""


class AccountStatus(StrEnum):
    """Whether a customer may start anything (active), only look (suspended), or neither (closed)."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Kind(StrEnum):
    """The tables whose rows are worked on under a lease."""

    RUN = "runs"
    GENERATION = "generations"
    CLIP = "clips"
    CUT = "cuts"
    OUTBOX = "outbox"
    BASE = "bases"
    SWEEP = "sweeps"
    TEXT = "texts"
    NOTICE = "notices"
    PAYMENT = "payments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A row that a step works on. `attempts` counts failed tries of the present step."""

    id: str
    next_at: float | None = None
    lease_owner: str | None = None
    lease_token: str | None = None
    lease_until: float = 0.0
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAccount:
    """A customer of this deployment. What names an account belongs to it alone; what names none is the operator's."""

    id: str
    name: str
    status: AccountStatus = AccountStatus.ACTIVE
    issuer: str | None = None
    """With `subject`: whose tokens act for it, and the name it has there."""
    subject: str | None = None
    run_cap_micro: int | None = None
    day_cap_micro: int | None = None
    pays_in_credits: bool = False
    """Since it was given its first lot; with a price list every account does."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKeys:
    """What an issuer of tokens has published; `id` is its name."""

    id: str
    keys: JsonObject = field(default_factory=dict)
    wanted: bool = False
    """Whether a token named a key that is not among them since somebody looked."""
    tried_at: float = 0.0
    fetched_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What orders of one owner are grouped under. `budget_micro` is what all of them may cost together, ever."""

    id: str
    name: str
    account_id: str | None = None
    budget_micro: int | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Leased):
    """One execution of an order. `plan` is what was quoted and will be submitted."""

    status: RunStatus
    source: RunSource
    base_id: str | None = None
    table: str | None = None
    record_id: str | None = None
    number: int = 1
    account_id: str | None = None
    key_id: str | None = None
    project_id: str | None = None
    """What its money is counted under, from when its order is known."""
    order: Order | None = None
    plan: Plan | None = None
    quote_micro: int | None = None
    ceiling_micro: int | None = None
    """What the run may cost in all by the last decision about it, where that was made for a price."""
    price_micro: int | None = None
    """What its account is charged at most, in whole credits; None where nothing is charged."""
    detail: str = ""
    """One sentence for the marketer: what is happening."""
    error: str | None = None
    """One sentence for the marketer: what went wrong and what to do."""
    verdict: str | None = None
    approval: Literal["asked", "given"] | None = None
    fresh: bool = False
    take: int = 0
    """Counts the cuts of this run: 0 for the first, more after regenerating."""
    batch_id: str | None = None
    custom_id: str | None = None
    """The name that whoever ordered it has for it; said again in every message about it."""
    metadata: Mapping[str, str] | None = None
    """What whoever ordered it wants to be told again."""
    webhook: SealedAddress | None = None
    """Where the messages about its end go, beside those to endpoints."""
    created_at: float = 0.0
    updated_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    version: int = 0
    traceparent: str | None = None
    """The W3C context of the request that started it: every process that works on it goes on from there."""
    words: str = ""
    """What it is found by: title, first words, record; in small letters."""

    @property
    def known_order(self) -> Order:
        """The order of a run whose row has been read. Raises ValueError before that."""
        if self.order is None:
            raise ValueError(self.id)
        return self.order

    @property
    def known_plan(self) -> Plan:
        """The plan of a run that is planned. Raises ValueError before that."""
        if self.plan is None:
            raise ValueError(self.id)
        return self.plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One shot of a run. `settings` is what is submitted beside the prompt; `attempt_level` how far the refusal
    ladder went.
    """

    id: str
    run_id: str
    number: int
    key: str
    prompt: str
    status: SceneStatus = SceneStatus.QUEUED
    caption: str | None = None
    seconds: float = 0.0
    """What the film shows; the model may have to be asked for more."""
    model: str = ""
    settings: SceneSettings = field(default_factory=SceneSettings)
    references: tuple[str, ...] = ()
    continues: bool = False
    transition: str | None = None
    take: int = 0
    fingerprint: str = ""
    clip_id: str | None = None
    error: str | None = None
    attempt_level: AttemptLevel = field(default_factory=AttemptLevel)
    airtable_record_id: str | None = None
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation(Leased):
    """One paid request. While it is open, `reserve_micro` of the run's hold is committed to it."""

    run_id: str
    scene_id: str
    status: GenerationStatus
    provider: str
    model: str
    request: GenerationRequest
    idem_key: str
    callback_token: str
    attempt: int = 1
    fingerprint: str = ""
    reserve_micro: int = 0
    cost_micro: int | None = None
    """What we count: what the provider says it billed, where it says so, else the list price."""
    billed_micro: int | None = None
    """What the provider says it billed; None where it does not tell."""
    intent_at: float | None = None
    submitted_at: float | None = None
    provider_id: str | None = None
    progress: int = 0
    result: GenerationResult = field(default_factory=GenerationResult)
    reason: Reason | None = None
    error: str | None = None
    deadline_at: float | None = None
    expires_at: float | None = None
    polls: int = 0
    clip_id: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Leased):
    """One video file for a scene, in our storage. `prepared` maps a piece key to the storage key of that piece."""

    run_id: str
    scene_id: str
    fingerprint: str
    sha256: str
    key: str
    size: int
    model: str = ""
    generation_id: str | None = None
    cost_micro: int = 0
    placeholder: bool = False
    footage: Footage = field(default_factory=Footage)
    prepared: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    deleted_at: float | None = None

    @property
    def last_frame(self) -> str | None:
        """The picture from which the next scene goes on, where it is cut out."""
        return self.prepared.get(LAST_FRAME)

    @property
    def thumbnail(self) -> str | None:
        """The small picture that stands for the clip, where it could be made."""
        return self.prepared.get(THUMBNAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Leased):
    """One stitched output of a run. `token` makes the permanent link `/v/{token}`."""

    run_id: str
    take: int
    format: str
    status: CutStatus
    token: str
    animatic: bool = False
    key: str | None = None
    sha256: str | None = None
    size: int | None = None
    filename: str | None = None
    poster_key: str | None = None
    extras: Mapping[str, str] = field(default_factory=dict)
    """Storage keys of contact sheet, preview, captions and the provenance sidecar."""
    footage: Footage = field(default_factory=Footage)
    report: JoinReport = field(default_factory=JoinReport)
    verdict: Verdict = field(default_factory=Verdict)
    attachment: Attachment = field(default_factory=Attachment)
    created_at: float = 0.0
    delivered_at: float | None = None
    revoked_at: float | None = None
    deleted_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link that shows one run's films to people without a key, takes what they say of them, and spends nothing."""

    id: str
    run_id: str
    token: str
    """Makes the link `/s/{token}`."""
    shows_prompts: bool = False
    created_at: float = 0.0
    expires_at: float = 0.0
    revoked_at: float | None = None
    made_by: str = ""
    verdict: ReviewVerdict = ReviewVerdict.WAITING
    verdict_by: str = ""
    verdict_words: str = ""
    verdict_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What somebody said of a shared film, at a second of it or of all of it."""

    id: str
    share_id: str
    run_id: str
    at: float
    second: float | None = None
    name: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. History, progress page and audit are read from these."""

    at: float
    entity: str
    entity_id: str
    run_id: str | None
    name: str
    old: str | None = None
    new: str | None = None
    actor: str = ""
    detail: EventDetail = field(default_factory=EventDetail)
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One side of a posting; append only."""

    at: float
    day: str
    """UTC day, `2026-11-20`."""
    posting_id: str
    posting: Posting
    account: Account
    amount: int
    run_id: str
    generation_id: str | None = None
    account_id: str | None = None
    key_id: str | None = None
    base_id: str | None = None
    project_id: str | None = None
    record_id: str | None = None
    model: str | None = None
    seconds: float = 0.0
    memo: str = ""
    listed_micro: int = 0
    """Our own figure for what `billed_micro` is for; both 0 where the provider does not tell what it billed."""
    billed_micro: int = 0
    id: int | None = None


class LotKind(StrEnum):
    """How an account came by credits."""

    PAID = "paid"
    PROMOTIONAL = "promotional"
    RETURNED = "returned"
    """Given back: for what expired while it was reserved, or by the operator for a clip that was no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Credits that came in together. `granted_micro` is the sum of the five places where they are now."""

    id: str
    account_id: str
    kind: LotKind
    source: str
    """What it was given for, such as an invoice or a payment: the same source is the same lot."""
    from_lot: str | None = None
    payment: str | None = None
    """By what name the payment is known where it was made, in words about giving it back."""
    granted_micro: int = 0
    available_micro: int = 0
    reserved_micro: int = 0
    used_micro: int = 0
    expired_micro: int = 0
    revoked_micro: int = 0
    created_at: float = 0.0
    expires_at: float | None = None
    expiry_due_at: float | None = None
    """As `expires_at`, until what was available then has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What a run has set aside of one lot, and used of it."""

    id: str
    run_id: str
    lot_id: str
    account_id: str
    credit_micro: int
    """What a credit was worth when the run reserved."""
    reserved_micro: int = 0
    used_micro: int = 0
    rounding_micro: int = 0
    """How much of `used_micro` is rounding up to a whole credit."""


class PaymentStatus(StrEnum):
    """How far the payment of a single call is. Only `settling` and `in_doubt` can still become another."""

    SETTLING = "settling"
    """Written before the money is moved: until it is known whether it was."""
    PAID = "paid"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    """Nobody could be asked who knows: a person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment(Leased):
    """A single call that is paid by a signed authorization of a wallet. It is an account of its own: several people may
    share a wallet. What was signed is not here, so nobody can move money with this row.
    """

    status: PaymentStatus
    reference: str
    """Network, token, wallet and nonce: an authorization is good once."""
    payer: str
    nonce: str
    amount_micro: int
    proof: str
    """A hash of the signature, which whoever repeats the request sends again."""
    asked: str
    """A hash of what was asked for: it is good for that alone."""
    request_key: str | None = None
    """A hash of the name that the client gave the request, and may repeat it under with another authorization."""
    secret_name: bool = False
    """Whether nobody can guess that name."""
    account_id: str
    """Chosen beforehand, as `run_id`: what is repeated after a crash makes the same."""
    run_id: str
    lot_id: str | None = None
    key_id: str | None = None
    tx_hash: str | None = None
    reason: str | None = None
    valid_before: float
    tried_at: float
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditEntry:
    """One side of a posting in the book of credits; append only."""

    at: float
    day: str
    """UTC day."""
    posting_id: str
    posting: CreditPosting
    account: CreditAccount
    amount: int
    lot_id: str
    account_id: str
    run_id: str | None = None
    generation_id: str | None = None
    key_id: str | None = None
    base_id: str | None = None
    project_id: str | None = None
    record_id: str | None = None
    model: str | None = None
    seconds: float = 0.0
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What is set aside, committed and spent for a run, key, base, account, project or for all: kept as entries are
    posted.
    """

    id: str
    """`run:<id>`, `key:<id>`, `base:<id>`, `account:<id>`, `project:<id>` or `all`."""
    kind: str
    """What stands before the colon."""
    account_id: str | None = None
    """Of a run or an account: whose it is."""
    held: int = 0
    committed: int = 0
    spent: int = 0
    day: str = ""
    """The UTC day on which it was last changed."""
    spent_on_day: int = 0
    """How much of `spent` was spent on that day."""

    @property
    def exposure(self) -> int:
        """Money set aside or committed, whatever the day."""
        return self.held + self.committed

    @property
    def total(self) -> int:
        """What counts against a limit for all time."""
        return self.exposure + self.spent

    @property
    def used(self) -> int:
        """What counts against the limit of a day."""
        return self.exposure + self.spent_on_day


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """What was spent on one day with one model, for one key, base, account and project: what usage adds up."""

    id: str
    day: str
    model: str | None = None
    key_id: str | None = None
    base_id: str | None = None
    account_id: str | None = None
    project_id: str | None = None
    spent_micro: int = 0
    seconds: float = 0.0
    generations: int = 0
    listed_micro: int = 0
    billed_micro: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a duty that goes through history has come (the ledger's audit, the archive), or a moment of the database
    itself: `RESTORED`, `KNOWN_UNTIL`.
    """

    id: str
    at: float = 0.0
    entry: int = 0
    """The ledger's last entry that was gone through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry(Leased):
    """What one Airtable row should say. The outbox: `fields` is desired, `sent` what Airtable has confirmed."""

    base_id: str
    table: str
    record_id: str | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    """For rows that we create: the upsert key field and its value."""
    run_id: str | None = None
    fields: JsonObject = field(default_factory=dict)
    sent: JsonObject = field(default_factory=dict)
    urgent: bool = False
    version: int = 0
    flushes: int = 0
    """Writes since the run began: progress is written ever more rarely."""
    error: str | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """A webhook delivery seen once; `id` is `<provider>:<delivery id>`."""

    id: str
    at: float
    provider: str
    body: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key's public half. Scopes: trigger, read, manage, admin. After a rotation the previous key
    (`retired_sha256`) is good until `retired_until`.
    """

    id: str
    name: str
    sha256: str
    scopes: tuple[str, ...] = ("trigger", "read")
    account_id: str | None = None
    day_cap_micro: int | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    last_used_at: float | None = None
    retired_sha256: str | None = None
    retired_until: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentLink:
    """An action link that was used; `id` is the moment that it was made for."""

    id: str
    run_id: str
    act: Act
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The answer kept for an `Idempotency-Key`; `status` 0 while the first request is being handled."""

    id: str
    body_hash: str
    at: float
    status: int = 0
    body: KeptAnswer = field(default_factory=KeptAnswer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process; `beat` rises while it lives, whatever the clock does. Who judges others goes by that; who only tells
    people goes by the time of the last one.
    """

    id: str
    kind: str
    host: str
    pid: int
    started_at: float
    beat: int = 0
    beat_at: float = 0.0
    detail: JsonObject = field(default_factory=dict)

    def is_alive(self, now: float) -> bool:
        """Whether it beat just now: of a worker service that is gone, nobody is left to remove the rows."""
        return now - self.beat_at < ALIVE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Base(Leased):
    """A connected Airtable base. `sealed_token` is encrypted."""

    name: str = ""
    account_id: str | None = None
    handed_over_at: float = 0.0
    """When it last left an account: signed links of before open nothing of it any more."""
    sealed_token: str | None = None
    day_cap_micro: int | None = None
    """The operator's limit for the base."""
    airtable_cap_micro: int | None = None
    """The marketers' own, from `Day Budget` in the base; the lower one counts."""
    state: BaseState = field(default_factory=BaseState)
    settings_read_at: float = 0.0
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSweep(Leased):
    """One `process-queue` request: start every ready row of a base."""

    base_id: str
    status: Literal["queued", "done", "failed"] = "queued"
    key_id: str | None = None
    started: tuple[str, ...] = ()
    error: str | None = None
    created_at: float = 0.0
    finished_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest(Leased):
    """One question to the scene writer, from before it is asked until its answer is used: a text is not paid twice."""

    run_id: str
    asked_at: float = 0.0
    answered: bool = False
    answer: Script = field(default_factory=Script)
    doubted: float = 0.0
    """The end of the lease that was given to an asker who had not prolonged his: unless he does now, he is dead."""
