"""Many orders at once: checked and planned first, then all of them started in one transaction, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines.domain.customers.batches import Batch, ItemProblem
from pipelines.domain.errors import InvalidOrder, NotFound, OverBudget, Problem
from pipelines.domain.keys import digest
from pipelines.domain.lifecycle import STOPPED, TERMINAL
from pipelines.domain.orders.order import Order
from pipelines.domain.planning.plan import Plan
from pipelines.domain.records import Event, Run
from pipelines.domain.state.sealed_address import SealedAddress
from pipelines.ports import Tx
from pipelines.stages.commerce import projects
from pipelines.stages.files import usage
from pipelines.stages.kernel.paging import cursor_after, newest_first
from pipelines.stages.kernel.services import Services
from pipelines.stages.orders import accept
from pipelines.stages.orders.accept import StartRequest
from pipelines.stages.spending import caps, credit_book
from pipelines.stages.views.run_view import RunMark


@dataclass(frozen=True, slots=True)
class Item:
    """One order that could be read, with its place in the request."""

    place: int
    request: StartRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """An order that can be made."""

    item: Item
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """What is to be started, and what of the request was not."""

    batch_id: str
    size: int
    priced: Sequence[Priced]
    problems: Sequence[ItemProblem] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    webhook: SealedAddress | None = None


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch and its runs as they are."""

    batch: Batch
    runs: Mapping[str, Run]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many runs have each status."""
        return Counter(run.status.value for run in self.runs.values())


def priced(services: Services, items: Sequence[Item]) -> tuple[list[Priced], list[ItemProblem]]:
    """Every order with its plan, and every problem of those that cannot be made."""
    found: list[Priced] = []
    problems: list[ItemProblem] = []
    for item in items:
        try:
            plan = accept.planned(services, item.request)
        except InvalidOrder as error:
            problems += [ItemProblem(item.place, one.field, one.message) for one in error.problems]
        except OverBudget as error:
            problems.append(ItemProblem(item.place, "max_cost_usd", error.marketer))
        else:
            if plan is None:
                raise TypeError("an order of a batch has no row")
            found.append(Priced(item=item, plan=plan))
    return found, problems


def start(services: Services, wanted: BatchRequest, *, key_id: str | None) -> Batch:
    """Commit all runs and the batch, or find the batch that is there. Raises what one order raises, for all of them."""
    now = services.clock.now()
    runs: list[str | None] = [None] * wanted.size
    with services.store.write() as tx:
        known = tx.batches.get(wanted.batch_id)
        if known is not None:
            return known
        usage.must_have_room(services, tx, tx.account_id)
        _within_projects(services, tx, wanted.priced)
        if refused := _over_own(services, tx, wanted.priced, key_id):
            raise OverBudget(marketer=refused)
        credit_book.must_reach(tx, now, services.prices, tx.account_id, charged(services, wanted.priced))
        for one in wanted.priced:
            request = replace(one.item.request, batch_id=wanted.batch_id, paced=True)
            runs[one.item.place] = accept.add_run(services, tx, request, one.plan, key_id, now).run_id
        batch = Batch(
            id=wanted.batch_id,
            account_id=tx.account_id,
            key_id=key_id,
            runs=tuple(runs),
            problems=tuple(wanted.problems),
            metadata=wanted.metadata,
            webhook=wanted.webhook,
            created_at=now,
        )
        tx.batches.add(batch)
    return batch


def _over_own(services: Services, tx: Tx, priced: Sequence[Priced], key_id: str | None) -> str | None:
    return accept.over_own(services, tx, [(one.item.request.order or Order(), one.plan) for one in priced], key_id)


def terms(
    services: Services, priced: Sequence[Priced], key_id: str | None
) -> tuple[credit_book.Terms | None, tuple[Problem, ...]]:
    """What whoever asks would be charged for all of them (None where nothing is), and what stands against them together
    beside that.
    """
    problems: tuple[Problem, ...] = ()
    with services.store.read() as tx:
        amount = charged(services, priced)
        found = credit_book.terms(tx, services.clock.now(), services.prices, tx.account_id, amount)
        try:
            _within_projects(services, tx, priced)
        except OverBudget as error:
            problems = (Problem("project", error.marketer),)
        if refused := _over_own(services, tx, priced, key_id):
            problems += (Problem("max_cost_usd", refused),)
    if found is not None and found.refusal is not None:
        problems += (Problem("credits", found.refusal.marketer),)
    return found, problems


def charged(services: Services, priced: Sequence[Priced]) -> int:
    """What an account is charged for all of them: each is rounded up to whole credits."""
    return sum(services.prices.whole(one.plan.charge_micro) for one in priced)


def _within_projects(services: Services, tx: Tx, priced: Sequence[Priced]) -> None:
    """Raises OverBudget where the budget of a project does not reach for all orders that name it."""
    sums: Counter[str] = Counter()
    for one in priced:
        order = one.item.request.order
        if order is not None and order.project is not None:
            sums[order.project] += one.plan.quote_micro
    for project, total in sums.items():
        if refused := caps.over_project(tx, services.prices, projects.id_of(tx.account_id, project), total):
            raise OverBudget(marketer=refused)


def view(services: Services, batch_id: str) -> BatchView:
    """The batch with its runs. Raises NotFound."""
    with services.store.read() as tx:
        batch = found(tx, batch_id)
        return BatchView(batch, {run.id: run for run in tx.runs.find(batch_id=batch_id)})


@dataclass(frozen=True, slots=True)
class BatchChanges:
    """What happened to the runs of a batch after something."""

    now: BatchView
    version: str
    events: Sequence[Event]

    @property
    def over(self) -> bool:
        """Whether nothing happens any more unless somebody decides."""
        return all(run.status in TERMINAL for run in self.now.runs.values())


def changes_after(services: Services, batch_id: str, after: int) -> BatchChanges:
    """The statuses that its runs came to beyond an event. In the archive events have other ids: from there they are
    told only to who has none yet. Raises NotFound.
    """
    with services.store.read() as tx:
        batch = found(tx, batch_id)
        runs = tx.runs.find(batch_id=batch_id)
        ids = tuple(run.id for run in runs)
        new = tx.events.find(order="id", after={"id": after}, run_id=ids, entity="run", name="status") if runs else []
        archived = ids and not after
        old = tx.event_archive.find(order="id", run_id=ids, entity="run", name="status") if archived else []
    return BatchChanges(BatchView(batch, {run.id: run for run in runs}), _version(runs), [*old, *new])


def marks(services: Services, ids: Collection[str]) -> dict[str, RunMark]:
    """How far several batches are at one moment; what is not one is left out."""
    wanted = tuple(one for one in ids if one.startswith("bat_"))
    if not wanted:
        return {}
    by_batch: dict[str, list[Run]] = {one: [] for one in wanted}
    with services.store.read() as tx:
        for run in tx.runs.find(batch_id=wanted):
            by_batch[run.batch_id or ""].append(run)
    return {one: RunMark(_version(runs), all(run.status in STOPPED for run in runs)) for one, runs in by_batch.items()}


def _version(runs: Sequence[Run]) -> str:
    return digest(sorted((run.id, run.version, run.status.value) for run in runs))[:16]


def listed(services: Services, limit: int, cursor: str | None) -> tuple[list[Batch], str | None]:
    """Batches, newest first, and the cursor of the next page. Raises ValueError for a cursor that is not ours."""
    with services.store.read() as tx:
        batches = newest_first(tx.batches, limit + 1, cursor)
    return batches[:limit], cursor_after(batches[limit - 1]) if len(batches) > limit else None


def found(tx: Tx, batch_id: str) -> Batch:
    """The batch. Raises NotFound."""
    batch = tx.batches.get(batch_id)
    if batch is None:
        raise NotFound(f"batch {batch_id}", marketer=f"There is no batch {batch_id}.")
    return batch
