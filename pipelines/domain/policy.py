"""What the operator decided, as the stages need it: caps, default models, approval, addresses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Caps in micro-dollars. `approval_above_micro`: None never asks, 0 always, else above that quote."""

    run_cap_micro: int
    day_cap_micro: int
    default_model: str
    fallback_models: tuple[str, ...] = ()
    approval_above_micro: int | None = None
    max_cuts_per_run: int = 24
    """Hooks times formats of one run."""
    default_base: str | None = None
    public_url: str = "http://127.0.0.1:8000"
    airtable_reaches_us: bool = True
    """False when we sit on a loopback address and Airtable does not: files are uploaded instead of linked."""
    providers_reach_us: bool = True
    keep_clips_s: float | None = None
    keep_cuts_s: float | None = None
    storage_limit_bytes: float | None = None
    """So much may be stored; None is without a limit."""
    storage_gb_month_micro: int | None = None
    """What a gigabyte of storage costs a month; None where the operator has not said."""
    credits_expire_days: int | None = None
    """How long bought credits are good; None is for ever."""
    account_runs_in_flight: int = 5
    """So many runs of one account are made at a time."""
    account_backlog: int = 500
    """So many more it may have ordered over HTTP."""
    keep_old_films: bool = False
    """Whether films of earlier runs stay in `Final Video`, behind the new ones."""
    disclosure: str | None = None
    """What the metadata of every film says of how it was made."""
    model_origins: tuple[tuple[str, str], ...] = ()
    """(provider, base URL) as configured; a sunset belongs to the vendor's own address."""
    animatic_by_default: bool = False
    """A provider's key is set but no VIDEO_MODEL: the row says that a free animatic was made."""
