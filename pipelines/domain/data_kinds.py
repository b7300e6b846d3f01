"""What each column of text holds: something of a person, an account, or nothing but our own marks.

Numbers, times and words of a fixed list say how a film was made, and stay. Everything else is declared here, and a
column that is not fails a test, so that erasing never forgets one.
"""

from __future__ import annotations

from collections.abc import Mapping

_OWNER = ("account_id", "base_id", "key_id")
_SPENDER = (*_OWNER, "project_id")
_GENERATION = ("idem_key", "callback_token", "provider_id", "wrapped_id", "clip_id")
_SECRETS = ("sealed_secret", "sealed_retired")
_LEASE = ("id", "lease_owner", "lease_token")

PERSONAL: Mapping[str, tuple[str, ...]] = {
    "runs": ("order", "plan", "detail", "error", "verdict", "custom_id", "metadata", "webhook", "words"),
    "scenes": (
        *("prompt", "caption", "narration", "references", "settings", "error", "fingerprint", "words"),
        "translations",
    ),
    "generations": ("request", "result", "error", "fingerprint"),
    "clips": ("fingerprint",),
    "cuts": ("filename", "report", "verdict", "attachment"),
    "packs": ("entries",),
    "events": ("detail",),
    "event_archive": ("detail",),
    "outbox": ("fields", "sent", "error"),
    "texts": ("answer",),
    "purchases": ("request", "picture", "words", "texts", "answer", "error", "fingerprint"),
    "search_vectors": ("text_hash", "vector"),
    "shares": ("verdict_by", "verdict_words"),
    "comments": ("name", "words"),
    "notices": ("facts", "body", "address"),
}
"""What people wrote and what was made of it: blank after erasing. All these tables name the run."""

PASSING: Mapping[str, tuple[str, ...]] = {
    "inbox": ("body",),
    "replays": ("body",),
    "batches": ("metadata", "problems", "webhook"),
    "saved_orders": ("title", "fields"),
}
"""May hold the same, name no run, and are deleted after days: docs/reference/files.md."""

_ENTRY = ("day", "posting_id", "run_id", "generation_id", *_SPENDER, "record_id", "model", "memo")
MONEY: Mapping[str, tuple[str, ...]] = {
    "ledger": _ENTRY,
    "ledger_archive": _ENTRY,
    "balances": ("id", "kind", "account_id", "day"),
    "day_totals": ("id", "day", "model", *_SPENDER),
    "lots": ("id", "account_id", "source", "from_lot", "payment"),
    "credits": ("day", "posting_id", "lot_id", "run_id", "generation_id", *_SPENDER, "record_id", "model"),
    "payments": (
        *(*_LEASE, "reference", "payer", "nonce", "proof", "asked", "request_key"),
        *("account_id", "run_id", "lot_id", "key_id", "tx_hash", "reason"),
    ),
    "reservations": ("id", "run_id", "lot_id", "account_id"),
}
"""The books, which stay."""

TECHNICAL: Mapping[str, tuple[str, ...]] = {
    "accounts": ("id", "name", "issuer", "subject"),
    "projects": ("id", "name", "account_id"),
    "issuer_keys": ("id", "keys"),
    "runs": (
        *(*_LEASE, "base_id", "table", "record_id", "key_id", "account_id", "project_id", "batch_id", "traceparent"),
        *("model", "shape"),
    ),
    "scenes": (
        "id",
        "run_id",
        "key",
        "model",
        "transition",
        "clip_id",
        "attempt_level",
        "airtable_record_id",
        "sound",
        "hook",
    ),
    "generations": (*_LEASE, "run_id", "scene_id", "provider", "model", *_GENERATION),
    "clips": (*_LEASE, "run_id", "scene_id", "sha256", "key", "model", "generation_id", "footage", "prepared"),
    "cuts": (
        *_LEASE,
        "run_id",
        "format",
        "token",
        "key",
        "sha256",
        "poster_key",
        "extras",
        "footage",
        "hook",
        "language",
    ),
    "packs": ("id", "run_id", "token"),
    "events": ("entity", "entity_id", "run_id", "name", "old", "new", "actor"),
    "event_archive": ("entity", "entity_id", "run_id", "name", "old", "new", "actor"),
    "checkpoints": ("id",),
    "outbox": (*_LEASE, "base_id", "table", "record_id", "merge", "run_id"),
    "inbox": ("id", "provider"),
    "keys": ("id", "name", "sha256", "scopes", "account_id", "retired_sha256"),
    "spent_links": ("id", "run_id"),
    "replays": ("id", "body_hash"),
    "processes": ("id", "kind", "host", "detail"),
    "bases": (*_LEASE, "name", "sealed_token", "state", "account_id"),
    "stop_switches": ("id", "reason", "actor"),
    "circuits": ("id", "outcomes"),
    "base_outages": ("id", "sentence"),
    "rate_limits": ("id",),
    "airtable_paces": ("id", "flights", "landed", "quota"),
    "clock_steps": ("id",),
    "sweeps": (*_LEASE, "base_id", "key_id", "started", "error"),
    "texts": (*_LEASE, "run_id"),
    "purchases": (*_LEASE, "run_id", "account_id", "file"),
    "search_vectors": ("id", "account_id", "run_id", "model"),
    "shares": ("id", "run_id", "token", "made_by"),
    "comments": ("id", "share_id", "run_id"),
    "files": ("id", "sha256", "run_id", *_OWNER),
    "file_totals": ("id", *_OWNER),
    "endpoints": ("id", "account_id", "address", "events", "description", *_SECRETS),
    "notices": (*_LEASE, "account_id", "endpoint_id", "run_id", "type", "event", "target"),
    "attempts": ("id", "account_id", "notice_id", "outcome"),
    "batches": ("id", "account_id", "key_id", "runs"),
    "saved_orders": ("id", "account_id"),
}
"""Our own marks, and what the operator set up."""
