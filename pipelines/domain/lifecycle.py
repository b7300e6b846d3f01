"""Statuses and the transitions between them, as data. The diagram in the docs is generated from these tables.

Only `check` is code: every change of state in the product goes through it, so a transition that is not
in a table cannot happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypeAlias, TypeVar


class RunStatus(StrEnum):
    """Where a run is; the words of the contract."""

    QUEUED = "queued"
    WRITING = "writing"
    NEEDS_APPROVAL = "needs_approval"
    GENERATING = "generating"
    STITCHING = "stitching"
    DELIVERING = "delivering"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"


class GenerationStatus(StrEnum):
    """Where one paid request is."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FETCHED = "fetched"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ADOPTED = "adopted"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"


class ReviewVerdict(StrEnum):
    """What a reviewer says of a film."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    CHANGES_ASKED = "changes_asked"


class CutStatus(StrEnum):
    """Where one stitched output is."""

    PLANNED = "planned"
    MADE = "made"
    DELIVERING = "delivering"
    DELIVERED = "delivered"


class SceneStatus(StrEnum):
    """What the `Status` of a `Scenes` row says."""

    DRAFT = "Draft"
    QUEUED = "Queued"
    GENERATING = "Generating"
    DONE = "Done"
    REFUSED = "Refused"
    FAILED = "Failed"
    STALE = "Stale"


class Reason(StrEnum):
    """Why a generation failed."""

    REFUSED = "refused"
    INVALID = "invalid"
    QUOTA = "quota"
    PROVIDER_ERROR = "provider_error"
    EXPIRED = "expired"


RunSource: TypeAlias = Literal["record", "master_prompt", "rest", "clip"]
"""What a run follows: its row, the row's master prompt (always through GPT), or an order that came over HTTP."""

_R, _G, _C = RunStatus, GenerationStatus, CutStatus
_ENDS = frozenset({_R.FAILED, _R.CANCELLED, _R.NEEDS_ATTENTION})
_RESUMES = frozenset({_R.QUEUED, _R.WRITING, _R.GENERATING, _R.STITCHING, _R.DELIVERING})

RUN_TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    _R.QUEUED: frozenset({_R.WRITING, _R.NEEDS_APPROVAL, _R.GENERATING}) | _ENDS,
    _R.WRITING: frozenset({_R.NEEDS_APPROVAL, _R.GENERATING}) | _ENDS,
    _R.NEEDS_APPROVAL: frozenset({_R.GENERATING}) | _ENDS,
    _R.GENERATING: frozenset({_R.STITCHING}) | _ENDS,
    _R.STITCHING: frozenset({_R.DELIVERING, _R.GENERATING}) | _ENDS,
    _R.DELIVERING: frozenset({_R.DONE}) | _ENDS,
    # A person continues, or orders one scene again: what is paid for is kept. A film that waited for Airtable goes on.
    _R.DONE: frozenset({_R.GENERATING, _R.STITCHING, _R.DELIVERING}),
    _R.NEEDS_ATTENTION: _RESUMES | {_R.NEEDS_APPROVAL, _R.FAILED, _R.CANCELLED},
    _R.FAILED: _RESUMES | {_R.NEEDS_APPROVAL},
    _R.CANCELLED: _RESUMES | {_R.NEEDS_APPROVAL},
}

GENERATION_TRANSITIONS: Mapping[GenerationStatus, frozenset[GenerationStatus]] = {
    # Failed: it can never be sent as it is. Adopted: an earlier request turned up that was held for lost. Unknown: the
    # database was restored, and it may have been bought after the backup.
    _G.PLANNED: frozenset({_G.SUBMITTING, _G.ADOPTED, _G.FAILED, _G.CANCELLED, _G.UNKNOWN}),
    # Back to planned only when the request provably never left us.
    _G.SUBMITTING: frozenset({_G.PLANNED, _G.SUBMITTED, _G.FAILED, _G.UNKNOWN}),
    _G.SUBMITTED: frozenset({_G.RUNNING, _G.SUCCEEDED, _G.FAILED, _G.CANCELLED, _G.ABANDONED}),
    _G.RUNNING: frozenset({_G.SUCCEEDED, _G.FAILED, _G.CANCELLED, _G.ABANDONED}),
    _G.ADOPTED: frozenset({_G.RUNNING, _G.SUCCEEDED, _G.FAILED, _G.CANCELLED, _G.ABANDONED}),
    _G.SUCCEEDED: frozenset({_G.FETCHED, _G.FAILED}),
    # An unknown is settled by the provider (adopted, refused, or proof that it never arrived) or by a person.
    _G.UNKNOWN: frozenset({_G.ADOPTED, _G.ABANDONED, _G.PLANNED, _G.FAILED}),
    _G.FETCHED: frozenset(),
    _G.FAILED: frozenset(),
    # A result that turns up after all is taken: it was paid for.
    _G.ABANDONED: frozenset({_G.ADOPTED}),
    _G.CANCELLED: frozenset(),
}

PURCHASE_TRANSITIONS: Mapping[GenerationStatus, frozenset[GenerationStatus]] = {
    _G.PLANNED: frozenset({_G.SUBMITTING, _G.FAILED, _G.CANCELLED}),
    # It is answered at once. Back to planned where nothing was bought, or where one more try is paid for.
    _G.SUBMITTING: frozenset({_G.PLANNED, _G.FETCHED, _G.FAILED, _G.UNKNOWN}),
    # Ordered again by a person; of what was fetched, only when its file is gone.
    _G.FETCHED: frozenset({_G.PLANNED}),
    _G.FAILED: frozenset({_G.PLANNED}),
    _G.UNKNOWN: frozenset({_G.PLANNED}),
    _G.CANCELLED: frozenset({_G.PLANNED}),
}
"""Of what is bought in one call that brings it, such as a spoken line."""
OPEN_PURCHASE = frozenset({_G.PLANNED, _G.SUBMITTING})
"""It may still bring its file, and while it is asked for money is set aside for it."""

CUT_TRANSITIONS: Mapping[CutStatus, frozenset[CutStatus]] = {
    _C.PLANNED: frozenset({_C.MADE}),
    _C.MADE: frozenset({_C.DELIVERING, _C.DELIVERED}),
    _C.DELIVERING: frozenset({_C.DELIVERED}),
    _C.DELIVERED: frozenset(),
}

MOVING = frozenset({_R.QUEUED, _R.WRITING, _R.GENERATING, _R.STITCHING, _R.DELIVERING})
"""A run that must not stay as it is for ever: somebody has work to do, and it is not a person."""

HOLDING = MOVING | {_R.NEEDS_APPROVAL}
"""Runs that may have money set aside beside what their open generations commit."""

ACTIVE = MOVING | {_R.NEEDS_APPROVAL, _R.NEEDS_ATTENTION}
"""A record with such a run gets that run when it is triggered again."""

TERMINAL = frozenset({_R.DONE, _R.FAILED, _R.CANCELLED})
STOPPED = TERMINAL | {_R.NEEDS_ATTENTION}
RETRYABLE_RUNS = frozenset({_R.FAILED, _R.CANCELLED, _R.NEEDS_ATTENTION})
CANCELLABLE = ACTIVE

IN_FLIGHT = frozenset({_G.SUBMITTED, _G.RUNNING, _G.ADOPTED})
"""At the provider, with an id: polled by the sweep."""

OPEN = frozenset({_G.PLANNED, _G.SUBMITTING, _G.UNKNOWN, _G.SUCCEEDED}) | IN_FLIGHT
"""Money is set aside for these; a scene has at most one."""

BEING_MADE = IN_FLIGHT | {_G.SUBMITTING, _G.UNKNOWN, _G.SUCCEEDED}
"""Sent, or perhaps sent: a clip may come of it that serves every equal scene."""

IN_DOUBT = frozenset({_G.SUBMITTING, _G.UNKNOWN})

AIRTABLE_STATUS: Mapping[RunStatus, str] = {
    _R.QUEUED: "Queued",
    _R.WRITING: "Writing Scenes",
    _R.NEEDS_APPROVAL: "Needs Approval",
    _R.GENERATING: "Generating",
    _R.STITCHING: "Stitching",
    _R.DELIVERING: "Uploading",
    _R.DONE: "Done",
    _R.NEEDS_ATTENTION: "Needs Attention",
    _R.FAILED: "Failed",
    _R.CANCELLED: "Cancelled",
}
PERSON_STATUSES = ("Draft", "Ready")
"""The two values of `Status` that a person sets; every other one is ours."""

S = TypeVar("S", bound=StrEnum)


class IllegalTransition(ValueError):
    """A transition that no table allows: a defect, never a user's doing."""


def check(table: Mapping[S, frozenset[S]], old: S, new: S) -> None:
    """Raise `IllegalTransition` unless `table` allows `old → new`."""
    if new not in table[old]:
        raise IllegalTransition(f"{type(old).__name__}: {old.value} → {new.value} is not allowed")


def mermaid(table: Mapping[S, frozenset[S]]) -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {old.value} --> {new.value}" for old, news in table.items() for new in sorted(news)]
    return "\n".join(lines) + "\n"
