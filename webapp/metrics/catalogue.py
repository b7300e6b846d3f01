"""Every metric that is told: `/metrics`, the reference page and the dashboard are made from this list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Prometheus' words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Group(StrEnum):
    """The rows of the dashboard."""

    FILMS = "Films"
    CLIPS = "Clips"
    MONEY = "Money"
    CUSTOMERS = "Customers"
    WORK = "Workers"
    AIRTABLE = "Airtable"
    STORAGE = "Storage"
    WEB = "Web"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. A counter's series ends with `_total`; no label ever holds an id."""

    group: Group
    kind: Kind
    name: str
    text: str
    labels: tuple[str, ...] = ()
    unit: str = "short"
    """Grafana's word for it."""
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> str:
        """The name as it is queried; of a histogram the one that counts."""
        return self.name + {Kind.COUNTER: "_total", Kind.HISTOGRAM: "_count", Kind.GAUGE: ""}[self.kind]


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 12.0, 30.0)
"""Airtable gives a script 12 s."""
_LONG = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)

RUNS = Metric(
    Group.FILMS,
    _G,
    "reelgrid_runs",
    "Runs by status; of those that are over, the ones of the last 24 hours.",
    ("status",),
)
RUNS_ENDED = Metric(
    Group.FILMS, _C, "reelgrid_runs_ended", "Runs that came to an end, or to a person, by that status.", ("status",)
)
OLDEST_RUN = Metric(
    Group.FILMS,
    _G,
    "reelgrid_oldest_moving_run_seconds",
    "Age of the oldest run in a moving status.",
    ("status",),
    "s",
)
STAGES = Metric(
    Group.FILMS,
    _H,
    "reelgrid_stage_duration_seconds",
    "How long runs were in a status before they left it.",
    ("stage",),
    "s",
    _LONG,
)
GENERATIONS = Metric(
    Group.CLIPS,
    _G,
    "reelgrid_generations",
    "Generations by status; of those that are over, the ones of the last 24 hours.",
    ("status",),
)
GENERATIONS_ENDED = Metric(
    Group.CLIPS,
    _C,
    "reelgrid_generations_ended",
    "Generations that ended: fetched, cancelled, abandoned, or why they failed.",
    ("model", "outcome"),
)
GENERATION_TIMES = Metric(
    Group.CLIPS,
    _H,
    "reelgrid_generation_duration_seconds",
    "From the intent to buy a clip until its provider said that it is made.",
    ("model",),
    "s",
    _LONG,
)
OLDEST_GENERATION = Metric(
    Group.CLIPS,
    _G,
    "reelgrid_oldest_open_generation_seconds",
    "Age of the oldest generation at a provider.",
    ("status",),
    "s",
)
CIRCUIT = Metric(
    Group.CLIPS,
    _G,
    "reelgrid_circuit_open",
    "1 while purchases of a model wait, because it failed too often.",
    ("model",),
)
SPENT = Metric(Group.MONEY, _C, "reelgrid_spent_usd", "Dollars spent since the beginning.", (), "currencyUSD")
HELD = Metric(Group.MONEY, _G, "reelgrid_held_usd", "Dollars set aside for runs.", (), "currencyUSD")
COMMITTED = Metric(Group.MONEY, _G, "reelgrid_committed_usd", "Dollars of open generations.", (), "currencyUSD")
STOP = Metric(Group.MONEY, _G, "reelgrid_stop", "1 while the Stop switch is on.")
CREDITS = Metric(
    Group.CUSTOMERS,
    _C,
    "reelgrid_credits_usd",
    "Dollars of credits moved: given, set aside, used, given back, expired or revoked.",
    ("posting",),
    "currencyUSD",
)
CREDITS_RESERVED = Metric(
    Group.CUSTOMERS,
    _G,
    "reelgrid_reserved_credits_usd",
    "Dollars of credits that runs have set aside now.",
    (),
    "currencyUSD",
)
CREDIT_REFUSALS = Metric(
    Group.CUSTOMERS,
    _C,
    "reelgrid_credit_refusals",
    "Credits that did not reach, by step: the operation that was refused, or the status of the run that stopped.",
    ("step",),
)
PAYMENTS = Metric(
    Group.CUSTOMERS,
    _C,
    "reelgrid_payments",
    "Payments by rail (stripe, x402) and what became of them.",
    ("rail", "status"),
)
NOTICES = Metric(
    Group.CUSTOMERS,
    _G,
    "reelgrid_notices",
    "Messages to customers by status; of those that are over, the ones of the last 24 hours.",
    ("status",),
)
ATTEMPTS = Metric(
    Group.CUSTOMERS,
    _C,
    "reelgrid_notice_attempts",
    "Tries to send a message, by the status that was answered; none where nothing was.",
    ("code",),
)
DUE_ROWS = Metric(
    Group.WORK,
    _G,
    "reelgrid_due_rows",
    "Rows that are due and that nobody works on, by kind; at most 1,000.",
    ("kind",),
)
DUE_LAG = Metric(
    Group.WORK, _G, "reelgrid_due_lag_seconds", "Since the oldest due row became due, by kind.", ("kind",), "s"
)
PROCESSES = Metric(Group.WORK, _G, "reelgrid_processes", "Processes that beat just now, by kind.", ("kind",))
PUMP_BEAT = Metric(
    Group.WORK,
    _G,
    "reelgrid_pump_last_beat_seconds",
    "Since the newest beat of a pump; infinite without any.",
    (),
    "s",
)
DEFECTS = Metric(
    Group.WORK, _C, "reelgrid_defects", "Faults of ours, by where: web, or the kind of row worked on.", ("where",)
)
OUTBOX = Metric(Group.AIRTABLE, _G, "reelgrid_outbox_rows", "Airtable rows waiting to be written.")
CALLS = Metric(Group.AIRTABLE, _C, "reelgrid_airtable_calls", "Calls to Airtable, by what for.", ("verb", "action"))
STORED = Metric(Group.STORAGE, _G, "reelgrid_storage_bytes", "Stored bytes by kind of file.", ("kind",), "bytes")
STORAGE_LIMIT = Metric(
    Group.STORAGE,
    _G,
    "reelgrid_storage_limit_bytes",
    "STORAGE_LIMIT_GB, where it is set; at it nothing new is started.",
    (),
    "bytes",
)
STORAGE_MONTH = Metric(
    Group.STORAGE,
    _G,
    "reelgrid_storage_month_usd",
    "What is stored costs a month, by STORAGE_USD_PER_GB, where it is set.",
    (),
    "currencyUSD",
)
REQUESTS = Metric(
    Group.WEB,
    _H,
    "reelgrid_http_request_duration_seconds",
    "How long requests took until their answer began, by route.",
    ("route", "method", "status"),
    "s",
    _SHORT,
)
WEBHOOKS = Metric(
    Group.WEB,
    _H,
    "reelgrid_webhook_duration_seconds",
    "Inbound webhooks by sender and verdict: believed, refused, unknown or failed.",
    ("sender", "verdict"),
    "s",
    _SHORT,
)
REFUSALS = Metric(
    Group.WEB, _C, "reelgrid_refusals", "Requests that were refused, by the code of the problem.", ("code",)
)
OCCUPIED = Metric(
    Group.WEB,
    _G,
    "reelgrid_occupied_threads",
    "Threads of this process that are held by whoever waits for a change, or downloads.",
    ("by",),
)
BUILD = Metric(Group.WEB, _G, "reelgrid_build_info", "Always 1: the version that answers.", ("version",))

ALL = (
    *(RUNS, RUNS_ENDED, OLDEST_RUN, STAGES),
    *(GENERATIONS, GENERATIONS_ENDED, GENERATION_TIMES, OLDEST_GENERATION, CIRCUIT),
    *(SPENT, HELD, COMMITTED, STOP),
    *(CREDITS, CREDITS_RESERVED, CREDIT_REFUSALS, PAYMENTS, NOTICES, ATTEMPTS),
    *(DUE_ROWS, DUE_LAG, PROCESSES, PUMP_BEAT, DEFECTS),
    *(OUTBOX, CALLS),
    *(STORED, STORAGE_LIMIT, STORAGE_MONTH),
    *(REQUESTS, WEBHOOKS, REFUSALS, OCCUPIED, BUILD),
)
