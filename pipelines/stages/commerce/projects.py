"""Projects: labels under which orders are grouped and counted, each with a budget if somebody gives it one."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.domain.keys import digest
from pipelines.domain.money import subject
from pipelines.domain.records import Balance, Project
from pipelines.ports import Tx
from pipelines.stages.commerce import accounts
from pipelines.stages.kernel.services import Services


def id_of(account_id: str | None, name: str) -> str:
    """The same for every spelling of a name that differs in case or spaces only; another for each account."""
    return f"prj_{digest('project', account_id, ' '.join(name.split()).casefold())[:24]}"


def of_order(tx: Tx, account_id: str | None, name: str | None, now: float) -> str | None:
    """The id of the project that an order names; it is made when it is first named."""
    if name is None or not name.strip():
        return None
    project_id = id_of(account_id, name)
    if tx.projects.get(project_id) is None:
        tx.projects.add(Project(id=project_id, name=" ".join(name.split()), account_id=account_id, created_at=now))
    return project_id


def set_budget(services: Services, name: str, budget_micro: int | None, account_id: str | None) -> Project:
    """What a project may cost in all; None: no limit of its own. It need not have been used before. Raises NotFound for
    an account that is not there.
    """
    now = services.clock.now()
    with services.store.write() as tx:
        if account_id is not None:
            accounts.found(tx, account_id)
        project_id = of_order(tx, account_id, name, now) or ""
        tx.projects.change(project_id, budget_micro=budget_micro)
        return tx.projects.get(project_id) or Project(id=project_id, name=name)


def standing(tx: Tx) -> Mapping[Project, Balance]:
    """All projects by name, with what each has set aside and spent."""
    return {project: tx.balance_of(subject("project", project.id)) for project in tx.projects.find(order="name")}
