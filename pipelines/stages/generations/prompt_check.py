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
    if services.prompt_check is None:
        return
    objection = services.prompt_check.objection([text for text in texts if text and text.strip()])
    if objection is not None:
        sentence = (
            f"This is not filmed here because of {objection}. Nothing was bought for it. Please word it differently "
            "and start again."
        )
        raise InvalidOrder([Problem("prompt", sentence)])
