"""What is kept of an answer to a request that may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """The answer to an idempotent request; before there is one, the run that the request may have started."""

    run_id: str | None = None
    decided: tuple[str, ...] = ()
    """About what the request has decided something so far: runs, or `stop`."""
    text: str = ""
    type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    sealed: bool = False
    """Whether `text` holds a secret, and is encrypted for that."""
