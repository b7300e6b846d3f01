"""From a trigger to a quoted run with its money set aside.

`start` is called by the web door and talks to SQL only. `plan_run` is the worker's first step: it reads the row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.domain.errors import Busy, InvalidOrder, NotFound, OverBudget, Problem, TooMany
from pipelines.domain.keys import new_id
from pipelines.domain.lifecycle import ACTIVE, RunStatus, SceneStatus
from pipelines.domain.money import show, show_enough
from pipelines.domain.orders.airtable_fields import VideoField
from pipelines.domain.orders.field_labels import for_clip, for_row
from pipelines.domain.orders.order import Order, SceneOrder, order_from_json, order_to_json
from pipelines.domain.planning.film_length import counted
from pipelines.domain.planning.plan import Plan, make_plan, plan_to_json
from pipelines.domain.records import QueueSweep, Run
from pipelines.ports import AirtableRow, AirtableScene, Brief, Tx
from pipelines.stages.generations.requests import not_set_up, style_left_out
from pipelines.stages.kernel import base_settings, ledger, outbox, rate_limits, schedule, stop_switch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, record, touch_run, transition_run
from pipelines.stages.orders import intake, prefetched_row, script

VIDEOS = "Videos"
WRITTEN = 2500
"""Bytes that a prompt of the writer may have, before it is written."""
STARTS_AT_ONCE, START_EVERY_S = 300, 0.25
"""What one key may start: so many after a rest, then four a second. Far more than Airtable's automations ever send;
it ends a loop that ran away. Money has limits of its own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A trigger. `source` is `record`, `master_prompt`, `rest` or `clip`; an order comes with the last two."""

    source: str
    base_id: str | None = None
    table: str | None = None
    record_id: str | None = None
    order: Order | None = None
    fresh: bool = False
    paced: bool = False
    """Asked for over HTTP: what it starts counts towards the pace of its key."""
    run_id: str | None = None
    """Chosen by whoever may have to repeat the request: it finds its own run again, whatever died in between."""
    not_before: float | None = None
    """The row's `Scheduled For`, where whoever starts the run has just read it."""
    row: AirtableRow | None = None
    """The row, where whoever starts the run has just read it."""
    look: bool = True
    """Whether the base is looked at when the row's run needs attention: a person may have ticked `Generate` for an
    automation to send this, and a tick goes on with such a run where a repeated request must not.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the trigger is answered with."""

    run_id: str
    status: RunStatus
    existing: bool
    quote_micro: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What would happen; nothing was started."""

    plan: Plan | None
    quote_micro: int | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    title: str | None = None


def start(services: Services, request: StartRequest, *, key_id: str | None = None) -> Started:
    """Commit a run, or find the one that is already there. Raises InvalidOrder or OverBudget for what can be seen, and
    TooMany when a key starts more than its pace allows.
    """
    plan = plan_order(services, request.order) if request.order is not None else None
    if plan is not None:
        _within_run_cap(services, request.order, plan)
    services.points.reach("accept.before_commit")
    now = services.clock.now()
    with services.store.write() as tx:
        started = _existing(tx, request, now) or _new(services, tx, request, plan, key_id, now)
    services.points.reach("accept.committed", run=started.run_id)
    return started


def _existing(tx: Tx, request: StartRequest, now: float) -> Started | None:
    own = tx.runs.get(request.run_id) if request.run_id else None
    if own is not None:
        return Started(run_id=own.id, status=own.status, existing=True, quote_micro=own.quote_micro)
    if request.record_id is None:
        return None
    tx.serialise(f"record:{request.base_id}:{request.record_id}")
    for run in tx.runs.find(status=tuple(ACTIVE), base_id=request.base_id, record_id=request.record_id):
        if request.look and run.status is RunStatus.NEEDS_ATTENTION:
            tx.bases.change(request.base_id or "", next_at=now)
        return Started(run_id=run.id, status=run.status, existing=True, quote_micro=run.quote_micro)
    return None


def _new(
    services: Services, tx: Tx, request: StartRequest, plan: Plan | None, key_id: str | None, now: float
) -> Started:
    later = request.not_before if schedule.is_ahead(request.not_before, now) else None
    run = Run(
        id=request.run_id or new_id("run"),
        status=RunStatus.QUEUED,
        source=request.source,
        base_id=request.base_id,
        table=request.table,
        record_id=request.record_id,
        number=_next_number(tx, request),
        key_id=key_id,
        order=order_to_json(request.order) if request.order else prefetched_row.kept(None if later else request.row),
        plan=plan_to_json(plan) if plan else None,
        quote_micro=plan.quote_micro if plan else None,
        detail=schedule.sentence(later) if later else schedule.SOON,
        fresh=request.fresh,
        created_at=now,
        updated_at=now,
        next_at=later or now,
    )
    if request.paced:
        acquire_turn(tx, key_id, now)
    if not tx.runs.add(run):
        raise RuntimeError(f"run number {run.number} of {run.record_id} is taken although its record is locked")
    trigger = Actor("trigger", now)
    record(tx, trigger, "run", run.id, run.id, "status", None, RunStatus.QUEUED, source=run.source)
    if later:
        schedule.record_schedule(tx, trigger, run.id, later)
    outbox.show_run(services, tx, run, urgent=True, within_s=outbox.MOMENT_S, extra={VideoField.GENERATE.value: False})
    return Started(run_id=run.id, status=run.status, existing=False, quote_micro=run.quote_micro)


def acquire_turn(tx: Tx, key_id: str | None, now: float) -> None:
    """In the transaction that starts something: whoever is told to wait has started nothing. Raises TooMany."""
    if key_id is None:
        return
    try:
        rate_limits.acquire(tx, f"start:{key_id}", now, START_EVERY_S, STARTS_AT_ONCE)
    except Busy as busy:
        raise TooMany(busy.operator, retry_after=busy.retry_after) from busy


def _next_number(tx: Tx, request: StartRequest) -> int:
    if request.record_id is None:
        return 1
    earlier = tx.runs.find(base_id=request.base_id, record_id=request.record_id, order="-number", limit=1)
    return earlier[0].number + 1 if earlier else 1


def _within_run_cap(services: Services, order: Order | None, plan: Plan) -> None:
    """What no worker could allow later is refused at once. Raises OverBudget."""
    caps = [("the limit for one run", services.policy.run_cap_micro)]
    if order is not None and order.max_cost_micro is not None:
        caps.append(("max_cost_usd", order.max_cost_micro))
    for name, cap in caps:
        if plan.quote_micro > cap:
            need = show_enough(plan.quote_micro)
            raise OverBudget(
                marketer=f"This would cost up to {need}, above {name} of {show(cap)}. "
                f"Ask for fewer or shorter scenes, a cheaper model, or a limit of at least {need}."
            )


def plan_order(
    services: Services, order: Order, scenes: list[SceneOrder] | None = None, *, follows: bool = False
) -> Plan:
    """The one plan that quote, hold and submissions read; `follows` as in `make_plan`. Raises InvalidOrder."""
    order = counted(order, services.catalogue, services.policy.default_model)
    written = scenes if scenes is not None else (list(order.scenes) or None)
    text = 0 if written else services.writer.quote_micro(_brief(order))
    return make_plan(
        order,
        services.catalogue,
        default_model=services.policy.default_model,
        scenes=written,
        text_micro=text,
        softening_micro=_softening(services, order, written),
        today=datetime.fromtimestamp(services.clock.now(), UTC).date(),
        origins=dict(services.policy.model_origins),
        follows=follows,
    )


def _softening(services: Services, order: Order, written: Sequence[SceneOrder] | None) -> list[int]:
    """What a softer wording of each scene may cost, where the order allows it to be used."""
    if not order.allow_rewrite:
        return []
    prompts = [scene.prompt for scene in written] if written is not None else [" " * WRITTEN] * order.scene_count
    return [services.writer.quote_softening_micro(prompt) for prompt in prompts]


def _brief(order: Order) -> Brief:
    return Brief(
        master_prompt=order.master_prompt or "",
        scenes=order.scene_count,
        seconds=order.clip_seconds or 0.0,
        aspect_ratio=order.aspect_ratio,
        style_notes=order.style_notes,
    )


def dry_run(services: Services, request: StartRequest) -> Estimate:
    """Plan, quote and problems; spends nothing. For a record its row is read (Unavailable when Airtable is away)."""
    if request.order is not None:
        return _estimate(services, request.order, None)
    row = services.airtable.row(request.base_id or "", request.table or VIDEOS, request.record_id or "")
    order, scenes, problems = order_of_row(services, request.base_id or "", row, request.source)
    found = _estimate(services, order, scenes)
    return dataclasses.replace(found, problems=_once_a_field((*problems, *for_row(found.problems))), title=order.title)


def _estimate(services: Services, order: Order, scenes: list[SceneOrder] | None) -> Estimate:
    try:
        plan = plan_order(services, order, scenes)
    except InvalidOrder as error:
        return Estimate(plan=None, quote_micro=None, problems=error.problems)
    plan = _with_notes(services, plan, order.style_notes if scenes is not None else None)
    problems: tuple[Problem, ...] = ()
    try:
        _within_run_cap(services, order, plan)
    except OverBudget as error:
        problems = (Problem("max_cost_usd", error.marketer),)
    warnings = (*plan.warnings, *not_set_up(plan, services.providers.configured))
    return Estimate(plan=plan, quote_micro=plan.quote_micro, problems=problems, warnings=warnings)


def order_of_row(
    services: Services, base_id: str, row: AirtableRow, source: str
) -> tuple[Order, list[SceneOrder] | None, tuple[Problem, ...]]:
    """Which scenes a row orders: those a person made or edited, else its `Prompt` lines, else none yet (GPT)."""
    problems = tuple(Problem(field, sentence) for field, sentence in row.problems)
    order = dataclasses.replace(row.order, adapt=True)
    if source == "master_prompt":
        return dataclasses.replace(order, scenes=()), None, problems
    drafts = drafts_of(services.airtable.scenes(base_id, row))
    if drafts:
        problems += scene_problems(drafts)
        return dataclasses.replace(order, scenes=()), [draft.scene for draft in drafts], problems
    return order, list(order.scenes) or None, problems


def drafts_of(rows: Sequence[AirtableScene]) -> list[AirtableScene]:
    """The rows that a person made or edited for the next run: Drafts; an edited scene of an earlier run brings that
    run's other scenes along, because nobody means a film of one scene by it.
    """
    runs = {_run_of(row.key) for row in rows if row.status == SceneStatus.DRAFT and row.key}
    return [row for row in rows if row.status == SceneStatus.DRAFT or (row.key and _run_of(row.key) in runs)]


def _run_of(scene_key: str) -> str:
    return scene_key.rpartition("-")[0]


def scene_problems(rows: Sequence[AirtableScene]) -> tuple[Problem, ...]:
    """What cannot be read in rows of `Scenes`, named by their place in the film."""
    return tuple(
        Problem(f"Scene {number} {field}", sentence)
        for number, row in enumerate(rows, start=1)
        for field, sentence in row.problems
    )


def plan_run(services: Services, actor: Actor, run: Run) -> None:
    """The worker's first step: read the row if there is one, plan, quote, set the money aside, go on. A row whose
    time has not come waits for it, however it was started.
    """
    base_settings.must_not_be_stopped(services, run.base_id)
    row = _row_of(services, run)
    if row is not None and row.scheduled_for is not None and schedule.is_ahead(row.scheduled_for, actor.now):
        schedule.wait(services, actor, run, row.scheduled_for)
        return
    reading = _read_order(services, run, row)
    services.points.reach("order.read", run=run.id)
    base_settings.refresh(services, run.base_id)
    reading, plan = _planned(services, run, reading)
    order = reading.order
    with services.store.write() as tx:
        stop_switch.must_be_off(tx, run.base_id)
        known = {"order": order_to_json(order), "plan": plan_to_json(plan), "quote_micro": plan.quote_micro}
        run = touch_run(tx, actor, run, **known, started_at=run.started_at or actor.now)
        if plan.scenes[0].prompt is not None:
            script.enter(services, tx, actor, run, plan, style=order.style_notes if reading.style else None)
        else:
            # Money first: a run that cannot be paid for is not even written.
            ledger.hold(tx, actor.now, run, plan.quote_micro, services.policy)
            run = transition_run(tx, actor, run, RunStatus.WRITING, next_at=actor.now, detail="Writing the scenes.")
            outbox.show_run(services, tx, run)
    services.points.reach("order.planned", run=run.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """An order with its scenes, if they are known; `style` says whether the style note goes with each prompt."""

    order: Order
    scenes: list[SceneOrder] | None
    problems: tuple[Problem, ...] = ()
    style: bool = False


def _row_of(services: Services, run: Run) -> AirtableRow | None:
    if run.record_id is None:
        return None
    known = prefetched_row.row_of(run, services.clock.now())
    return known or services.airtable.row(run.base_id or "", run.table or VIDEOS, run.record_id)


def _read_order(services: Services, run: Run, row: AirtableRow | None) -> _Reading:
    if row is None:
        order = order_from_json(run.order or {})
        return _Reading(order=order, scenes=list(order.scenes) or None, style=bool(order.scenes))
    order, scenes, problems = order_of_row(services, run.base_id or "", row, run.source)
    order = dataclasses.replace(order, fresh=run.fresh)
    if scenes is not None:
        with services.store.read() as tx:
            scenes = script.with_wishes(tx, run, scenes, order.model or services.policy.default_model)
        return _Reading(order=order, scenes=scenes, problems=problems, style=True)
    with services.store.read() as tx:
        taken = script.inherited(tx, run, order, services.policy.default_model)
    if taken is None:
        return _Reading(order=order, scenes=None, problems=problems)
    return _Reading(order=order, scenes=taken.scenes, problems=problems, style=taken.style)


def _planned(services: Services, run: Run, reading: _Reading) -> tuple[_Reading, Plan]:
    """Files brought in, everything planned. Raises InvalidOrder with all that is wrong, by the author's field names."""
    problems = list(reading.problems)
    plan = None
    try:
        order, scenes = intake.bring_all(services, reading.order, reading.scenes, of_base=run.record_id is not None)
        reading = dataclasses.replace(reading, order=order, scenes=scenes)
    except InvalidOrder as error:
        problems += error.problems
    try:
        plan = plan_order(services, reading.order, reading.scenes)
    except InvalidOrder as error:
        problems += error.problems
    if plan is None or problems:
        raise InvalidOrder(_as_written(run, problems))
    return reading, _with_notes(services, plan, reading.order.style_notes if reading.style else None)


def _as_written(run: Run, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Under the names of the fields that their author filled."""
    if run.record_id:
        return _once_a_field(for_row(problems))
    return tuple(dict.fromkeys(for_clip(problems) if run.source == "clip" else problems))


def _with_notes(services: Services, plan: Plan, style: str | None) -> Plan:
    left_out = style_left_out(plan, services.catalogue, style)
    return dataclasses.replace(plan, adapted=(*plan.adapted, *left_out))


def _once_a_field(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The first sentence about each field: who cannot read a field complains about its absence, too."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.field, problem)
    return tuple(first.values())


def sweep_queue(services: Services, base_id: str, *, key_id: str | None = None) -> str:
    """Commit a request to start every ready row of a base; the worker does it. Raises TooMany."""
    now = services.clock.now()
    sweep = QueueSweep(id=new_id("swp"), base_id=base_id, key_id=key_id, created_at=now, next_at=now)
    with services.store.write() as tx:
        acquire_turn(tx, key_id, now)
        tx.sweeps.add(sweep)
    return sweep.id


def sweep_view(services: Services, sweep_id: str) -> QueueSweep:
    """How a request of `sweep_queue` went. Raises NotFound."""
    with services.store.read() as tx:
        sweep = tx.sweeps.get(sweep_id)
    if sweep is None:
        raise NotFound(f"sweep {sweep_id}", marketer=f"There is no sweep {sweep_id}.")
    return sweep
