"""What the operator does not allow is neither set aside for nor bought: asked of an order before its hold, and of each
clip and spoken line before its purchase, whoever worded it since.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.stages.kernel.services import Services


def must_be_allowed(services: Services, texts: Iterable[str | None]) -> None:
    """Raises InvalidOrder, so that no other model or wording of ours is tried, and Unavailable while nobody answers.
    Where nothing is checked, nothing is asked.
    """
    if services.prompt_check is not None:
        _refuse(services.prompt_check.objection(_said(texts)))


def must_not_be_listed(services: Services, texts: Iterable[str | None]) -> None:
    """The same by the operator's own list alone: for whoever may not wait for a server. Raises InvalidOrder."""
    if services.prompt_check is not None:
        _refuse(services.prompt_check.listed(_said(texts)))


def _said(texts: Iterable[str | None]) -> list[str]:
    return [text for text in texts if text and text.strip()]


def _refuse(objection: str | None) -> None:
    if objection is not None:
        sentence = (
            f"This is not filmed here because of {objection}. Nothing was bought for it. Please word it differently "
            "and start again."
        )
        raise InvalidOrder([Problem("prompt", sentence)])
