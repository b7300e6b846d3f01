"""What a run would make and cost: its order read, planned and quoted, and its money set aside."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.domain.airtable.fields import AirtableTable
from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.footage import Consistency
from pipelines.domain.lifecycle import RunSource, RunStatus, SceneStatus
from pipelines.domain.orders.checks import banned_problems
from pipelines.domain.orders.field_labels import OF_BRAND, for_clip, for_row
from pipelines.domain.orders.order import HOOK_LETTERS, Order, SceneOrder, words_of
from pipelines.domain.orders.unused_settings import unmet
from pipelines.domain.planning.cast import CastMember
from pipelines.domain.planning.film_length import counted
from pipelines.domain.planning.make_plan import make_plan, parted_scenes
from pipelines.domain.planning.narration import most_words
from pipelines.domain.planning.plan import Plan
from pipelines.domain.planning.script import SceneText
from pipelines.domain.records import Run
from pipelines.ports import AirtableRow, AirtableScene, Brief, HookBrief
from pipelines.stages.base_rows import base_settings, run_row
from pipelines.stages.commerce import projects
from pipelines.stages.files import usage
from pipelines.stages.films import posters
from pipelines.stages.generations import drafts, prompt_check
from pipelines.stages.generations.requests import style_left_out
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, touch_run, transition_run
from pipelines.stages.languages import translations
from pipelines.stages.narration import lines
from pipelines.stages.orders import account_turn, brands, intake, prefetched_row, schedule, script
from pipelines.stages.pictures import cast
from pipelines.stages.spending import credit_book, ledger, stop_switch

PROMPT_NOT_WRITTEN = (
    "Prompt was not used: this start has Master Prompt written into scenes. Tick Generate to film the lines of Prompt."
)
PROMPT_BESIDE_SCENES = "The scenes are taken from the rows of Scenes, so Prompt was not used."
_LONG_S = 60.0
WRITTEN = 2500
"""Bytes that a prompt of the writer may have, before it is written."""


def plan_order(
    services: Services,
    order: Order,
    scenes: list[SceneOrder] | None = None,
    *,
    follows: bool = False,
    members: Sequence[CastMember] = (),
    sought: bool = False,
    post_text: str = "",
) -> Plan:
    """The one plan that quote, hold and submissions read; `follows` as in `make_plan`, `members` the cast of scenes
    that were written before, `sought` whether that is all that can be found in them, and `post_text` what was written
    to go with them. Raises InvalidOrder.
    """
    order = counted(order, services.catalogue, services.policy.default_model)
    written = scenes if scenes is not None else (list(order.scenes) or None)
    if order.voiceover and order.voice and (unknown := services.speech.unknown(order.voice)):
        raise InvalidOrder([Problem("voice", unknown)])
    body, hooks = parted_scenes(order, written)
    openings = [hooks[letter].prompt if letter in hooks else None for letter in HOOK_LETTERS[1 : order.hooks]]
    hook_text = _hook_text(services, order, body, openings.count(None))
    text = (0 if written else _writing(services, order)) + hook_text
    banned = tuple(banned_problems(order, written or ()))
    try:
        plan = make_plan(
            order,
            services.catalogue,
            default_model=services.policy.default_model,
            scenes=written,
            text_micro=text,
            hook_text_micro=hook_text,
            softening_micro=_softening(services, order, body, openings),
            max_cuts=services.policy.max_cuts_per_run,
            today=datetime.fromtimestamp(services.clock.now(), UTC).date(),
            origins=dict(services.policy.model_origins),
            follows=follows,
        )
    except InvalidOrder as error:
        raise InvalidOrder((*error.problems, *banned)) from error
    if banned:
        raise InvalidOrder(banned)
    plan = translations.quoted(services, order, script.with_post(order, plan, post_text))
    plan = posters.quoted(services, order, lines.quoted(services, order, plan), plan)
    plan = cast.quoted(services, order, plan, members, sought=sought)
    plan = drafts.quoted(services, order, plan)
    return services.prices.priced(plan, services.catalogue)


def plan_again(services: Services, run: Run, order: Order, scenes: list[SceneOrder] | None) -> Plan:
    """The plan of a run whose scenes were changed while it waits for approval: who comes back in its film, and what its
    cards say in other languages, is known and partly bought already. Raises InvalidOrder.
    """
    known = run.known_plan
    text, order = script.post_written(run.known_order, known), dataclasses.replace(order, adapt=True)
    plan = plan_order(services, order, scenes, members=known.cast, sought=True, post_text=text)
    return dataclasses.replace(plan, card_texts=known.card_texts)


def _writing(services: Services, order: Order) -> int:
    """What the writing of the scenes may cost: twice where a word of the first answer may not be allowed."""
    brief = _brief(order)
    quote = services.writer.quote_micro(brief)
    return quote + services.writer.quote_micro(brands.second_brief(brief)) if brands.may_be_rewritten(order) else quote


def _hook_text(services: Services, order: Order, body: Sequence[SceneOrder] | None, missing: int) -> int:
    """What writing so many further hooks may cost."""
    if not missing:
        return 0
    prompts = [scene.prompt for scene in body] if body is not None else [" " * WRITTEN] * order.scene_count
    scenes = tuple(SceneText(prompt=prompt) for prompt in prompts)
    return services.writer.quote_hooks_micro(HookBrief(brief=_brief(order), scenes=scenes, count=missing))


def _softening(
    services: Services, order: Order, body: Sequence[SceneOrder] | None, openings: Sequence[str | None]
) -> list[int]:
    """What a softer wording of each scene may cost, where the order allows it to be used; further hooks come last."""
    if not order.allow_rewrite:
        return []
    prompts = [scene.prompt for scene in body] if body is not None else [None] * order.scene_count
    known = [" " * WRITTEN if prompt is None else prompt for prompt in (*prompts, *openings)]
    return [services.writer.quote_softening_micro(prompt) for prompt in known]


def _brief(order: Order) -> Brief:
    return Brief(
        master_prompt=order.master_prompt or "",
        scenes=order.scene_count,
        seconds=order.clip_seconds or 0.0,
        aspect_ratio=order.aspect_ratio,
        style_notes=brands.notes_for_writer(order),
        narration_words=most_words(order.clip_seconds or _LONG_S) if order.voiceover else None,
        cast=order.consistency is Consistency.PICTURES,
        post=bool(order.pack),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOrder:
    """What a row orders; `scenes` is None while they are still to be written."""

    order: Order
    scenes: list[SceneOrder] | None
    problems: tuple[Problem, ...]
    unused: tuple[str, ...] = ()
    """A sentence for each text of the row that another one stands in for."""


def order_of_row(services: Services, base_id: str, row: AirtableRow, source: RunSource) -> RowOrder:
    """Which scenes a row orders: those a person made or edited, else its `Prompt` lines, else none yet (GPT)."""
    problems = tuple(Problem(field, sentence) for field, sentence in row.problems)
    order = dataclasses.replace(brands.of_row(services, base_id, row), adapt=True)
    lines, without_lines = order.scenes, dataclasses.replace(order, scenes=())
    if source == "master_prompt":
        unused = (PROMPT_NOT_WRITTEN,) if lines else ()
        return RowOrder(order=without_lines, scenes=None, problems=problems, unused=unused)
    drafts = drafts_of(services.airtable.scenes(base_id, row))
    if drafts:
        shown = {draft.scene.prompt for draft in drafts}
        return RowOrder(
            order=without_lines,
            scenes=[draft.scene for draft in drafts],
            problems=(*problems, *scene_problems(drafts)),
            unused=(PROMPT_BESIDE_SCENES,) if any(line.prompt not in shown for line in lines) else (),
        )
    return RowOrder(order=order, scenes=list(lines) or None, problems=problems)


def drafts_of(rows: Sequence[AirtableScene]) -> list[AirtableScene]:
    """The rows that a person made or edited for the next run: Drafts; an edited scene of an earlier run brings that
    run's other scenes along, because nobody means a film of one scene by it.
    """
    runs = {_run_of(row.key) for row in rows if row.status == SceneStatus.DRAFT and row.key}
    return [row for row in rows if row.status == SceneStatus.DRAFT or (row.key and _run_of(row.key) in runs)]


def _run_of(scene_key: str) -> str:
    """A key without its scene, and without the hook that may stand behind that."""
    return re.sub(r"-\d+(?:-[a-z])?$", "", scene_key)


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
    base_settings.must_not_be_stopped(services, run.base_id, run.account_id)
    if not account_turn.take(services, actor, run):
        return
    row = _row_of(services, run)
    if row is not None and row.scheduled_for is not None and schedule.is_ahead(row.scheduled_for, actor.now):
        schedule.wait(services, actor, run, row.scheduled_for)
        return
    reading = _read_order(services, run, row)
    services.points.reach("order.read", run=run.id)
    base_settings.refresh(services, run.base_id)
    with services.store.read() as tx:
        usage.must_have_room(services, tx, run.account_id)
    try:
        reading, plan = _planned(services, run, reading)
    except InvalidOrder:
        # Whoever looks for the refused run knows it by its title.
        with services.store.write() as tx:
            touch_run(tx, actor, run, order=reading.order, words=words_of(reading.order, run.record_id))
            brands.tell_problems(tx, actor.now, run, reading.order.brand)
        raise
    order = reading.order
    prompt_check.must_be_allowed(services, words_shown(order, reading.scenes))
    with services.store.write() as tx:
        stop_switch.must_be_off(tx, run.base_id, run.account_id)
        project = projects.of_order(tx, run.account_id, order.project, actor.now)
        written = order if reading.scenes is None else dataclasses.replace(order, scenes=tuple(reading.scenes))
        words = words_of(written, run.record_id)
        known = {"order": order, "plan": plan, "quote_micro": plan.quote_micro, "project_id": project, "words": words}
        known |= {"model": plan.model, "shape": plan.formats[0]}
        run = touch_run(tx, actor, run, **known, started_at=run.started_at or actor.now)
        brands.tell_problems(tx, actor.now, run, order.brand)
        if not plan.seeks_cast and all(scene.prompt is not None for scene in plan.scenes):
            script.enter(services, tx, actor, run, plan, style=order.style_notes if reading.style else None)
        else:
            # Money first: a run that cannot be paid for is not even written. Its Price goes before its Cost, of which
            # whoever is sold to learns nothing.
            price = credit_book.reserve(tx, actor.now, run, plan.charge_micro, services.prices)
            run = dataclasses.replace(run, price_micro=price)
            ledger.hold(tx, actor.now, run, plan.quote_micro, services.policy)
            detail = _to_write(plan)
            run = transition_run(tx, actor, run, RunStatus.WRITING, next_at=actor.now, detail=detail, price_micro=price)
            run_row.show(services, tx, run)
    services.points.reach("order.planned", run=run.id)


def _to_write(plan: Plan) -> str:
    """What has to be known before the scenes can be kept."""
    if plan.scenes[0].prompt is None:
        return "Writing the scenes."
    return "Finding who comes back." if all(scene.prompt is not None for scene in plan.scenes) else "Writing the hooks."


def words_shown(order: Order, scenes: Sequence[SceneOrder] | None) -> Iterator[str | None]:
    """What the film is made from, and what stands in it."""
    yield from (order.master_prompt, order.style_notes, order.title_card, order.end_card)
    for scene in order.scenes if scenes is None else scenes:
        yield from (scene.prompt, scene.caption, scene.narration)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """An order with its scenes, if they are known; `style` says whether the style note goes with each prompt."""

    order: Order
    scenes: list[SceneOrder] | None
    problems: tuple[Problem, ...] = ()
    style: bool = False
    cast: tuple[CastMember, ...] = ()
    post_text: str = ""
    inherited: bool = False
    """Whether the scenes are those that an earlier run's Master Prompt was written into."""
    unused: tuple[str, ...] = ()


def _row_of(services: Services, run: Run) -> AirtableRow | None:
    if run.record_id is None:
        return None
    known = prefetched_row.row_of(run, services.clock.now())
    return known or services.airtable.row(run.base_id or "", run.table or AirtableTable.VIDEOS, run.record_id)


def _read_order(services: Services, run: Run, row: AirtableRow | None) -> _Reading:
    if row is None:
        order = run.known_order
        if order.brand_row is not None:
            order = brands.branded(services, order, order.brand_row)
        return _Reading(order=order, scenes=list(order.scenes) or None, style=bool(order.scenes))
    found = order_of_row(services, run.base_id or "", row, run.source)
    order = dataclasses.replace(found.order, fresh=run.fresh)
    reading = _Reading(order=order, scenes=None, problems=found.problems, unused=found.unused)
    usual_model = order.model or services.policy.default_model
    with services.store.read() as tx:
        if found.scenes is not None:
            scenes = script.with_settings_of_row(tx, run, found.scenes, usual_model)
            known = script.known_cast(tx, run, scenes)
            return dataclasses.replace(reading, scenes=scenes, style=True, cast=known)
        taken = script.inherited(tx, run, order, services.policy.default_model)
    if taken is None:
        return reading
    return dataclasses.replace(
        reading,
        scenes=taken.scenes,
        style=taken.style,
        cast=taken.cast,
        post_text=taken.post_text,
        inherited=True,
    )


def _planned(services: Services, run: Run, reading: _Reading) -> tuple[_Reading, Plan]:
    """Files brought in, everything planned. Raises InvalidOrder with all that is wrong, by the author's field names."""
    problems = list(reading.problems)
    plan = None
    try:
        order, scenes = intake.bring_all(
            services,
            reading.order,
            reading.scenes,
            of_base=run.record_id is not None,
            run_id=run.id,
            account_id=run.account_id,
        )
        reading = dataclasses.replace(reading, order=order, scenes=scenes)
    except InvalidOrder as error:
        problems += error.problems
    try:
        plan = plan_order(
            services,
            reading.order,
            reading.scenes,
            members=reading.cast,
            sought=reading.inherited,
            post_text=reading.post_text,
        )
    except InvalidOrder as error:
        problems += beside(reading.problems, reading.order, error.problems)
    if plan is None or problems:
        raise InvalidOrder(_as_written(run, _of_brand(problems, reading.order)))
    style = reading.order.style_notes if reading.style else None
    plan = _as_agreed(run, plan)
    plan = _with_notes(services, plan, reading.order, reading.scenes, style, inherited=reading.inherited)
    left_over = () if reading.inherited else _hooks_not_wanted(reading.order, reading.scenes)
    unused = (*reading.unused, *left_over)
    styled = reading.style and any(scene.prompt is None for scene in plan.scenes)
    return reading, dataclasses.replace(plan, adapted=(*plan.adapted, *unused), styled=styled)


def _hooks_not_wanted(order: Order, scenes: Sequence[SceneOrder] | None) -> tuple[str, ...]:
    """Rows of hooks that the order has no film for any more."""
    left = sorted(
        {scene.hook for scene in scenes or () if scene.hook and scene.hook not in HOOK_LETTERS[: order.hooks]}
    )
    return (f"Hook {', '.join(left)} was not used, because Hooks is {order.hooks}.",) if left else ()


def _as_agreed(run: Run, plan: Plan) -> Plan:
    """What an account is charged was agreed when its order was accepted, whatever the price list says by now."""
    agreed = run.plan if run.record_id is None else None
    if agreed is None or len(agreed.scenes) != len(plan.scenes):
        return plan
    pairs = zip(plan.scenes, agreed.scenes, strict=True)
    scenes = tuple(
        dataclasses.replace(scene, charge_micro=before.charge_micro, draft_charge_micro=before.draft_charge_micro)
        for scene, before in pairs
    )
    return dataclasses.replace(
        plan,
        scenes=scenes,
        text_charge_micro=agreed.text_charge_micro,
        translation_charge_micro=agreed.translation_charge_micro,
        speech_charge_micro=agreed.speech_charge_micro,
        picture_charge_micro=agreed.picture_charge_micro,
    )


def beside(of_row: Sequence[Problem], order: Order, found: Sequence[Problem]) -> list[Problem]:
    """What planning finds that the row's own problems do not tell: a prompt that cannot be read is not also missing."""
    told = of_row and not order.master_prompt
    return [problem for problem in found if not (told and problem.field == "master_prompt")]


def _of_brand(problems: Sequence[Problem], order: Order) -> list[Problem]:
    """What is wrong with something that a brand lent is said of the brand: the order's own field is empty."""
    lent = order.brand.lent if order.brand else ()
    return [Problem(OF_BRAND + one.field, one.message) if one.field in lent else one for one in problems]


def _as_written(run: Run, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Under the names of the fields that their author filled."""
    if run.record_id:
        return _once_a_field(for_row(problems))
    return tuple(dict.fromkeys(for_clip(problems) if run.source == "clip" else problems))


def _with_notes(
    services: Services,
    plan: Plan,
    order: Order,
    scenes: Sequence[SceneOrder] | None,
    style: str | None,
    *,
    inherited: bool = False,
) -> Plan:
    """With a sentence for every wish that the plan cannot follow."""
    left_out = style_left_out(plan, services.catalogue, style)
    unheard = unmet(order, scenes or order.scenes or None, inherited=inherited)
    of_brand = order.brand.notes if order.brand else ()
    return dataclasses.replace(plan, adapted=(*plan.adapted, *left_out, *unheard, *of_brand))


def _once_a_field(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The first sentence about each field: who cannot read a field complains about its absence, too."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.field, problem)
    return tuple(first.values())
