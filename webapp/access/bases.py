"""Which bases a caller may work in."""

from __future__ import annotations

from pipelines.domain.errors import Problem
from webapp.access.auth import must_have_key
from webapp.context import actor, services
from webapp.errors import HttpProblem


def allowed_base(base_id: str | None) -> str:
    """The base to work in: the default one or one of the connected; for an account, one of its own. Raises 403 for any
    other, 422 for none.
    """
    must_have_key()
    default = services().policy.default_base if actor().account_id is None else None
    chosen = base_id or default
    if chosen is None:
        why = "no AIRTABLE_BASE_ID is set here" if actor().account_id is None else "an account has no default base"
        problem = Problem("base_id", f"is required, because {why}.")
        raise HttpProblem(422, f"base_id {problem.message}", (problem,))
    if chosen != default and not _connected(chosen):
        problem = Problem("base_id", f"{chosen} is not connected here. Ask your operator: flask bases add {chosen}")
        raise HttpProblem(403, f"base_id {problem.message}", (problem,))
    return chosen


def _connected(base_id: str) -> bool:
    with services().store.read() as tx:
        return tx.bases.get(base_id) is not None
