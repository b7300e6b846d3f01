"""What the core needs of the outside, as Protocols. Adapters implement them; stages know nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines.domain.board_fields import TICKED_TABLES
from pipelines.domain.footage import Card, ClipWork, FilmPlan, FilmReport, Footage, Prepared, Verdict
from pipelines.domain.lifecycle import GenerationStatus, Reason
from pipelines.domain.order import Order, SceneOrder
from pipelines.domain.run import (
    ApiKey,
    Base,
    Clip,
    Cut,
    Event,
    Generation,
    InboxItem,
    Lane,
    LedgerEntry,
    Process,
    QueueSweep,
    Replay,
    Run,
    Scene,
    Switch,
    Want,
)

T = TypeVar("T")


# ---------------------------------------------------------------- time and crash points


class Clock(Protocol):
    """The only source of time for stages."""

    def now(self) -> float:
        """Seconds since the epoch."""


class Points(Protocol):
    """Named places between two effects (domain.points): spans of a trace, and where tests let a process die."""

    def reach(self, name: str, **ids: str) -> None:
        """We are at `name` now."""


# ---------------------------------------------------------------- SQL


class Rows(Protocol[T]):
    """One table of frozen records. Every change is a compare-and-set."""

    def get(self, id: str, *, lock: bool = False) -> T | None:
        """The row, or None. `lock` keeps others out of it until the transaction ends."""

    def add(self, row: T) -> bool:
        """Insert; False if the id or a unique key is already there (nothing changes then)."""

    def change(self, id: str, when: Mapping[str, Any] | None = None, /, **changes: Any) -> bool:
        """Update the row if every column in `when` still has that value (a tuple: one of them)."""

    def find(
        self,
        *,
        order: str = "id",
        limit: int | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        **equals: Any,
    ) -> list[T]:
        """Rows whose columns equal the values (a tuple or set: one of them; None: NULL); `before` and `after` bound
        columns strictly below and above; `order` is a column, `-column` descending.
        """

    def count(self, **equals: Any) -> int:
        """How many rows match."""

    def remove(self, id: str) -> bool:
        """Delete a row that is no history (outbox, processes)."""


class Tx(Protocol):
    """One transaction. Everything in it is committed together, or not at all."""

    runs: Rows[Run]
    scenes: Rows[Scene]
    generations: Rows[Generation]
    clips: Rows[Clip]
    cuts: Rows[Cut]
    events: Rows[Event]
    ledger: Rows[LedgerEntry]
    wants: Rows[Want]
    inbox: Rows[InboxItem]
    keys: Rows[ApiKey]
    replays: Rows[Replay]
    switches: Rows[Switch]
    processes: Rows[Process]
    bases: Rows[Base]
    lanes: Rows[Lane]
    sweeps: Rows[QueueSweep]

    def serialise(self, name: str) -> None:
        """Keep every other transaction that names the same thing out until this one ends."""

    def balance(self, account: str, **equals: Any) -> int:
        """Sum of the ledger's amounts in an account, in micro-dollars."""

    def usage(self, by: Sequence[str], *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """Spend grouped by columns of the ledger: rows with the columns, `spent_micro`, `seconds`, `generations`."""


class Store(Protocol):
    """The truth."""

    def write(self) -> AbstractContextManager[Tx]:
        """A transaction that commits when the block ends without an exception."""

    def read(self) -> AbstractContextManager[Tx]:
        """A snapshot to read from; nothing is committed."""

    def due(self, kind: str, now: float, limit: int) -> list[tuple[str, float]]:
        """Rows of a leased table whose `next_at` has come and that nobody holds: their ids, and since when."""

    def claim(self, kind: str, id: str, *, owner: str, now: float, seconds: float) -> str | None:
        """Take the lease of a row: the token, or None when somebody holds it or it is not due any more."""

    def renew(self, kind: str, id: str, token: str, until: float) -> bool:
        """Prolong a lease that is still ours."""

    def release(self, kind: str, id: str, token: str, *, next_at: float | None, attempts: int) -> bool:
        """Give a lease back and say when the row is due again."""

    def release_owner(self, owner: str) -> int:
        """A process died: its ordinary leases are free at once. Paid submissions keep theirs to their end."""

    def shift_time(self, seconds: float, now: float) -> bool:
        """The clock stepped back to `now`: bring every due time and lease back by as much. False when another process
        has done it already for this step.
        """

    def migrate(self) -> None:
        """Bring the schema up to date, under a lock. Safe from many processes at once."""

    def check(self) -> None:
        """Raise Unavailable unless the database answers."""


# ---------------------------------------------------------------- hints


class Hints(Protocol):
    """A throw-away message to the workers: look at this row. Losing it costs a few seconds, nothing else."""

    def send(self, hints: Sequence[tuple[str, str]], *, media: bool = False) -> bool:
        """Send `(kind, id)` pairs, `media` to the workers that do minutes of work. False when the broker does not
        answer; never raises, never waits long.
        """

    def check(self) -> None:
        """Raise Unavailable unless the broker answers."""


# ---------------------------------------------------------------- paid video


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Exactly what is bought. `first_frame`, `last_frame` and `references` are keys in our storage."""

    model: str
    """The catalogue id, `provider/slug`."""
    prompt: str
    seconds: float
    width: int
    height: int
    aspect_ratio: str
    resolution: str
    fps: float = 24.0
    audio: bool = True
    seed: int | None = None
    negative_prompt: str | None = None
    first_frame: str | None = None
    last_frame: str | None = None
    references: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    """For `local/animatic` only: number, total and heading of the scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInput:
    """A picture handed to a provider: a local file, and a signed public link to it when we have a public address."""

    key: str
    path: Path
    content_type: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request with its marks: the idempotency key, and the callback URL when we can be reached."""

    request: GenerationRequest
    idem_key: str
    callback_url: str | None = None
    inputs: Mapping[str, MediaInput] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A provider's job in our words. `status` is one of submitted, running, succeeded, failed, cancelled."""

    id: str
    status: GenerationStatus
    progress: int = 0
    reason: Reason | None = None
    error: str | None = None
    """The vendor's own words, for the operator."""
    cost_micro: int | None = None
    """The provider's own figure, where it reports one."""
    result: dict[str, Any] = field(default_factory=dict)
    """Where the file is: JSON, kept in the row; no secrets."""
    created_at: float | None = None
    expires_at: float | None = None


class VideoProvider(Protocol):
    """One vendor. Never retries a paid call; all errors are of domain.errors.

    `submit` raises RateLimited or Unavailable only when the request provably was not taken, and Ambiguous when
    that is unknown (read timeout, reset, 5xx).
    """

    name: str

    def submit(self, submission: Submission) -> Job:
        """Buy one generation: exactly one POST."""

    def poll(self, job_id: str, request: GenerationRequest) -> Job:
        """Ask once how a job is. Raises Expired when the provider has forgotten it."""

    def find(self, submission: Submission, since: float) -> list[Job]:
        """Jobs that could be this submission, created at or after `since`; only for ability `list`."""

    def fetch(self, job: Job, request: GenerationRequest, dest: Path) -> None:
        """Stream the finished file to `dest`. Raises BadDelivery, Expired or Unavailable."""

    def cancel(self, job_id: str) -> bool:
        """Stop a job if the vendor can; False when it cannot."""

    def check(self) -> str:
        """A free call that proves key and address; one sentence for the doctor. Raises of the tree."""


class Providers(Protocol):
    """All configured vendors by name, made on first use."""

    def get(self, name: str) -> VideoProvider:
        """The adapter. Raises NotConfigured naming the setting that is missing."""

    def configured(self, name: str) -> bool:
        """Whether its key (or address) is set."""


# ---------------------------------------------------------------- words


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What the scene writer is asked for."""

    master_prompt: str
    scenes: int
    seconds: float
    aspect_ratio: str
    style_notes: str | None = None
    title: str | None = None
    max_prompt: int = 4000
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneText:
    """One written scene."""

    prompt: str
    caption: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What came back: exactly as many scenes as asked, what it cost, and who wrote it (with notes for the row)."""

    scenes: tuple[SceneText, ...]
    writer: str
    cost_micro: int = 0
    title: str | None = None
    notes: tuple[str, ...] = ()


class SceneWriter(Protocol):
    """Expands a master prompt, and softens a refused one."""

    def write(self, brief: Brief) -> Script:
        """Raises Refused, Unavailable, RateLimited, NotConfigured or OutOfCredit."""

    def soften(self, prompt: str, reason: str) -> Script:
        """One scene: the prompt reworded so that moderation may pass it."""

    def quote_micro(self, brief: Brief) -> int:
        """What `write` may cost at most."""


class Moderator(Protocol):
    """Names the likely culprit of a refusal, at no cost."""

    def culprit(self, prompt: str, images: Sequence[MediaInput]) -> str | None:
        """A sentence such as "the prompt (violence)", or None when nothing stands out or nobody can be asked."""


# ---------------------------------------------------------------- Airtable


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """A `Videos` row as an order. `problems` of the row's own fields are (field, sentence) pairs."""

    record_id: str
    order: Order
    status: str | None
    problems: tuple[tuple[str, str], ...] = ()
    ticks: frozenset[str] = frozenset()
    """Which of Generate, Approve, Cancel are ticked."""
    scheduled_for: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The row by our own field names, raw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardScene:
    """A `Scenes` row as a person left it."""

    record_id: str
    number: int | None
    scene: SceneOrder
    status: str | None
    key: str | None = None
    regenerate: bool = False
    video_id: str | None = None
    """The row of `Videos` it is linked to."""
    problems: tuple[tuple[str, str], ...] = ()
    """(field, sentence) pairs, as in `BoardRow`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardVersion:
    """A `Versions` row."""

    record_id: str
    video_id: str | None
    run: int | None
    restore: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardChange:
    """One row that a person changed, as Airtable's webhooks tell it: `table` by our name, watched cells by ours."""

    table: str
    record_id: str
    ticks: frozenset[str] = frozenset()
    """Boxes that are ticked now."""
    status: str | None = None
    changed: frozenset[str] = frozenset()
    """The watched fields that changed, and all that have a value in a new row."""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSettings:
    """The `Settings` row."""

    stop: bool = False
    day_budget_micro: int | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What Airtable answered for one outbox row. With `ok`, `error` says which cells it would not take; those that
    it took are `sent`, to be kept in the outbox row.
    """

    want_id: str
    ok: bool
    record_id: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The row as it is now, by our own field names."""
    error: str | None = None
    gone: bool = False


class Board(Protocol):
    """The conversation with Airtable. Every call passes the shared limiter; errors: RecordGone, BoardDenied,
    BoardQuota, RateLimited (with retry_after), Unavailable.
    """

    def row(self, base_id: str, table: str, record_id: str) -> BoardRow:
        """Read one order."""

    def scenes(self, base_id: str, row: BoardRow) -> list[BoardScene]:
        """The row's linked scenes, by number; no call when there are none."""

    def ready(self, base_id: str, now: float) -> list[BoardRow]:
        """Rows whose Status is Ready and whose time has come."""

    def ticked(self, base_id: str, tables: Collection[str] = TICKED_TABLES) -> tuple[list[BoardRow], list[BoardScene]]:
        """Rows and scenes with a box ticked that we act on: a call for each of `tables`."""

    def restores(self, base_id: str) -> list[BoardVersion]:
        """Versions with `Restore` ticked; none when the table is not there."""

    def settings(self, base_id: str) -> BoardSettings:
        """The `Settings` row; all defaults when the table is not there."""

    def flush(self, base_id: str, wants: Sequence[Want]) -> list[Written]:
        """Write what differs from `sent`, ten rows of one table a call: by id, or by upsert on `merge`.

        Raises only when nothing was written; a want without an answer was not tried and stays as it is.
        """

    def upload(self, base_id: str, record_id: str, field: str, path: Path, filename: str) -> Mapping[str, Any]:
        """Append a file of at most 5 MB to an attachment field."""

    def attachments(self, base_id: str, table: str, record_id: str, fields: Sequence[str]) -> dict[str, list[Any]]:
        """Re-read attachment cells, to verify that Airtable really has the files."""


class BaseTools(Protocol):
    """Building and checking bases, for the command line and the pump. Reports are the Airtable room's own records."""

    def setup(self, base_id: str, models: Sequence[str]) -> Any:
        """Build or complete a base; `models` become the options of the Model fields."""

    def doctor(self, base_id: str) -> list[Any]:
        """Check every assumption about a base; each check has `name`, `ok`, `sentence` and `fix`."""

    def script(self, base_id: str | None = None) -> str:
        """The automation script with this deployment's values."""

    def button_formula(self) -> str:
        """The formula of a button field that opens the record's page."""

    @property
    def bases(self) -> Any:
        """Connecting and disconnecting bases."""

    @property
    def webhooks(self) -> Any:
        """Airtable's push: registering, renewing and reading what changed."""


# ---------------------------------------------------------------- files


class Intake(Protocol):
    """Brings files from outside into our storage, through the guard against inside addresses."""

    def bring(self, url: str) -> str:
        """Download a picture, logo or music file; its storage key, which follows from its content. A key is returned
        as it is. Raises ForbiddenAddress, Expired, BadDelivery or Unavailable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file in storage; `sha256` is empty when only a listing said so."""

    key: str
    sha256: str
    size: int


class MediaStore(Protocol):
    """Where clips and cuts live. Keys follow from content; putting twice is harmless."""

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """Create-only; already there with the same size is success. Raises Busy when the disk is full."""

    def fetch(self, key: str, dest: Path) -> None:
        """Bring a file here. Raises Expired when it is not in storage."""

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Some bytes of a file, in pieces."""

    def local_path(self, key: str) -> Path | None:
        """The file itself, where storage is this machine's disk."""

    def presigned(self, key: str, ttl_s: float) -> str | None:
        """A link that the storage itself serves, or None: then we serve it at `/media/…`."""

    def stat(self, key: str) -> Stored | None:
        """Its size, or None."""

    def delete(self, key: str) -> None:
        """Remove it; not there is success."""

    def list_prefix(self, prefix: str) -> Iterator[Stored]:
        """All files whose key begins so."""

    def check(self) -> None:
        """A round trip with a tiny file. Raises Unavailable or NotConfigured."""


class Links(Protocol):
    """Addresses that others may open. None is made by anybody else."""

    def media(self, key: str, filename: str, ttl_s: float) -> str:
        """A signed link to a file that lives `ttl_s` seconds, absolute, for Airtable, providers and pages."""

    def page(self, *, record_id: str | None = None, run_id: str | None = None) -> str:
        """A signed link to the progress page of one record or run."""

    def video(self, token: str) -> str:
        """The permanent link to a cut."""

    def callback(self, provider: str, token: str) -> str | None:
        """Where a provider may call back about one generation; None when it cannot reach us."""


# ---------------------------------------------------------------- pictures


class Studio(Protocol):
    """Everything done to real video files. Paths are local; every method is a pure function of its inputs,
    writes to a temporary name beside `dest` and renames, and may be run twice.
    """

    def probe(self, path: Path) -> Footage:
        """Read the facts. Raises `UnplayableMedia` (domain.errors) with one clear reason."""

    def prepare(self, work: ClipWork, dest: Path) -> Prepared:
        """Bring one clip to its cut's target; copies the bytes when nothing deviates."""

    def animatic(self, card: Card, dest: Path) -> Footage:
        """Render a good-looking clip from a text, with motion and sound, that joins without re-encoding."""

    def assemble(self, plan: FilmPlan, dest: Path) -> FilmReport:
        """Join prepared pieces into one film, moov first, by the cheapest path that is right."""

    def examine(self, film: Path, plan: FilmPlan) -> Verdict:
        """Decode and measure the film before anybody sees it."""

    def poster(self, film: Path, dest: Path) -> Path:
        """Write the sharpest well-exposed frame as JPEG."""

    def contact_sheet(self, film: Path, dest: Path) -> Path:
        """Write a grid of frames as JPEG."""

    def preview(self, film: Path, dest: Path) -> Path:
        """Write a small looping silent MP4 of a few seconds."""

    def last_frame(self, clip: Path, dest: Path) -> Path:
        """Write the very last picture as PNG."""

    def subtitles(self, plan: FilmPlan, report: FilmReport, dest_stem: Path) -> Sequence[Path]:
        """Write `<stem>.srt` and `<stem>.vtt` from the plan's captions; empty when there are none."""
