"""Looking at runs, and what a person may do with them."""

from __future__ import annotations

from functools import partial

from flask import g

from pipelines.domain.errors import InvalidOrder, Problem
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.orders.field_labels import for_scene
from pipelines.domain.records import Run
from pipelines.ports import RunFilter
from pipelines.stages.decisions import control, dry_run, in_doubt, regenerate
from pipelines.stages.delivery import restore
from pipelines.stages.views import finding, run_list, run_view
from pipelines.stages.views.documents import RunView
from webapp.access import keys, limits
from webapp.access.rules import Owner
from webapp.api import answers, estimates
from webapp.api.decisions import Approve, ChooseClip, Decision, Regenerate, Restore, RunAction
from webapp.api.operations import Effect, Reply, Tool, operation
from webapp.api.queries import NO_CURSOR, RunQuery, SceneQuery, SearchQuery, is_cursor, moment
from webapp.context import actor, services
from webapp.errors import invalid_input

_decision = partial(
    operation,
    "POST",
    scope="trigger",
    tag="Decide",
    answers={200: (RunView, answers.Estimate)},
    problems=(400, 401, 402, 403, 404, 409, 413, 415, 422, 429, 503),
)


@operation(
    "GET",
    "/api/runs",
    summary="List runs, newest first",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    query=RunQuery,
    answers={200: answers.RunList},
    problems=(401, 403, 422, 429),
)
def list_runs(query: RunQuery) -> Reply:
    """Filter by record, status, model, shape, key, base and time; with `record_id` only its status and time count
    besides. A page may have few runs or none; go on until `next_cursor` is null.
    """
    problems: list[Problem] = []
    statuses = _statuses(query.status, problems)
    since, until = moment("since", query.since, problems), moment("until", query.until, problems)
    if not is_cursor(query.cursor):
        problems.append(Problem("cursor", NO_CURSOR))
    if problems:
        raise invalid_input(problems)
    wanted = RunFilter(
        status=statuses,
        key_id=query.key,
        base_id=query.base_id,
        model=query.model,
        shape=query.aspect_ratio,
    )
    runs, cursor = run_list.list_runs(
        services(),
        wanted,
        record=query.record_id,
        since=since,
        until=until,
        dearest=query.order == "dearest",
        limit=query.limit,
        cursor=query.cursor,
    )
    return Reply(answers.RunList(runs=runs, next_cursor=cursor))


@operation(
    "GET",
    "/api/search",
    summary="Find films by their words",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    query=SearchQuery,
    answers={200: answers.FoundFilms},
    problems=(401, 403, 422, 429),
    tool=Tool("search_films", Effect.READS),
)
def search_films(query: SearchQuery) -> Reply:
    """Newest first, each with why it was found and with its scenes that have one of the words. A page looks through
    5,000 films and may have few or none; the list goes on until `next_cursor` is null. Where SEARCH_EMBEDDINGS is on,
    films that are about it are found as well, and the best come first.
    """
    problems: list[Problem] = []
    since = moment("since", query.since, problems)
    if not is_cursor(query.cursor):
        problems.append(Problem("cursor", NO_CURSOR))
    if problems:
        raise invalid_input(problems)
    page = finding.find(services(), query.q, limit=query.limit, cursor=query.cursor, since=since)
    found = answers.FoundFilms(results=page.films, next_cursor=page.cursor)
    if page.by is not None:
        found["by"] = list(page.by)
    return Reply(found)


def _statuses(text: str | None, problems: list[Problem]) -> list[str] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = [status.value for status in RunStatus]
    if not words or any(word not in known for word in words):
        problems.append(Problem("status", f"must be one or several of {', '.join(known)}."))
    return words


@operation(
    "GET",
    "/api/runs/{run_id}/scenes",
    summary="List the scenes of a run",
    owner=Owner.ACCOUNT,
    scope="read",
    tag="Look",
    query=SceneQuery,
    answers={200: answers.SceneList},
    problems=(401, 403, 404, 422, 429),
)
def list_scenes(run_id: str, query: SceneQuery) -> Reply:
    """In the order of the film, each with all its clips and the one that the film shows; empty until they are written.
    `next_cursor` is null on the last page.
    """
    scenes, after = run_view.scenes_view(services(), run_id, limit=query.limit, after=int(query.cursor or 0))
    return Reply(answers.SceneList(scenes=scenes, next_cursor=None if after is None else str(after)))


@_decision(
    "/api/runs/{run_id}/approve", owner=Owner.ACCOUNT, summary="Approve the quote and the scenes", bodies=(Approve,)
)
def approve_run(run_id: str, body: Approve) -> Reply:
    """The clips are bought then, of the scenes as they are or as `scenes` changes them. 409 unless the run waits for
    approval.
    """
    if body.dry_run:
        keys.must_count(run_id)
        edits = body.edits()
        found = (
            dry_run.approving(services(), run_id, edits, body.at_most_micro)
            if edits
            else dry_run.going_on(services(), run_id)
        )
        return _rehearsal("approve", found)
    return _shown(approved(run_id, body))


def approved(run_id: str, body: Approve) -> Run:
    """Approve under whoever asks."""
    keys.must_count(run_id)
    most = body.at_most_micro
    return control.approve(
        services(), run_id, actor().name, edits=body.edits(), at_most_micro=most, press=g.get("press")
    )


@_decision(
    "/api/runs/{run_id}/cancel",
    owner=Owner.ACCOUNT,
    summary="Cancel a run",
    bodies=(RunAction,),
    tool=Tool("cancel_run", Effect.STOPS),
)
def cancel_run(run_id: str, body: RunAction) -> Reply:
    """Stops what can be stopped and keeps what is paid for."""
    if body.dry_run:
        return _rehearsal("cancel", dry_run.cancelling(services(), run_id))
    return _shown(control.cancel(services(), run_id, actor().name, press=g.get("press")))


@_decision("/api/runs/{run_id}/retry", owner=Owner.ACCOUNT, summary="Go on with a stopped run", bodies=(RunAction,))
def retry_run(run_id: str, body: RunAction) -> Reply:
    """Every clip that is paid for is kept; only what is missing is bought."""
    if body.dry_run:
        keys.must_count(run_id)
        return _rehearsal("retry", dry_run.going_on(services(), run_id))
    return _shown(retried(run_id))


def retried(run_id: str) -> Run:
    """Go on under whoever asks."""
    keys.must_count(run_id)
    return control.retry(services(), run_id, actor().name, press=g.get("press"))


@_decision(
    "/api/runs/{run_id}/scenes/{n}/regenerate",
    owner=Owner.ACCOUNT,
    summary="Make one scene again",
    bodies=(Regenerate,),
)
def regenerate_scene(run_id: str, n: int, body: Regenerate) -> Reply:
    """A new clip for that scene, with whatever is changed, then a new cut. The old clip is kept."""
    if body.dry_run:
        keys.must_count(run_id)
        found = dry_run.regeneration(services(), run_id, n, body.changes(), at_most_micro=body.at_most_micro)
        return _rehearsal("regenerate", found)
    return _shown(regenerated(run_id, n, body))


def regenerated(run_id: str, n: int, body: Regenerate) -> Run:
    """A new clip, ordered under whoever asks; its problems named as in the request."""
    keys.must_count(run_id)
    try:
        bounds = {"at_most_micro": body.at_most_micro, "press": g.get("press")}
        return regenerate.regenerate(services(), run_id, n, body.changes(), actor().name, **bounds)
    except InvalidOrder as error:
        raise InvalidOrder(tuple(dict.fromkeys(for_scene(error.problems)))) from error


@_decision("/api/runs/{run_id}/restore", owner=Owner.ACCOUNT, summary="Choose an earlier film again", bodies=(Restore,))
def restore_run(run_id: str, body: Restore) -> Reply:
    """The film of an earlier take is the run's film again, and goes into its row. It costs nothing: no clip is bought,
    and a film that is not kept any more is joined anew from its clips. Twice is once.
    """
    if body.dry_run:
        return _rehearsal(None, restore.preview(services(), run_id, body.take))
    return _shown(restore.restore(services(), run_id, body.take, actor().name, press=g.get("press")))


@_decision(
    "/api/runs/{run_id}/scenes/{n}/choose",
    owner=Owner.ACCOUNT,
    summary="Choose an earlier clip of a scene again",
    bodies=(ChooseClip,),
)
def choose_clip(run_id: str, n: int, body: ChooseClip) -> Reply:
    """The scene shows that clip again, in a new cut with all others as they are. It costs nothing. Twice is once."""
    if body.dry_run:
        return _rehearsal(None, restore.preview_choice(services(), run_id, n, body.clip_id))
    return _shown(restore.choose(services(), run_id, n, body.clip_id, actor().name, press=g.get("press")))


@_decision(
    "/api/generations/{generation_id}/decide",
    owner=Owner.OPERATOR,
    summary="Decide about money in doubt",
    bodies=(Decision,),
)
def decide(generation_id: str, body: Decision) -> Reply:
    """When nobody knows whether a provider took a paid request, a person chooses; the run's `choices` say which."""
    if body.dry_run:
        return _rehearsal(None, dry_run.decision(services(), generation_id, body.choice))
    return _shown(in_doubt.decide(services(), generation_id, body.choice, actor().name, press=g.get("press")))


def _shown(run: Run) -> Reply:
    return Reply(run_view.run_view(services(), run.id))


def _rehearsal(action: str | None, found: dry_run.DecisionPreview) -> Reply:
    """What an action would cost, and whether the run's status and the budgets allow it."""
    limits.count_read()
    run = run_view.run_view(services(), found.run_id)
    problems, shown = found.problems, estimates.shown_terms(found.terms)
    if action is not None and action not in run["actions"]:
        refused = Problem("status", f"A run that is {run['status']} cannot be asked to {action}.")
        problems = (refused, *problems)
    body = answers.Estimate(
        ok=not problems,
        quote_usd=estimates.usd(found.price_micro if shown is None else shown.price_micro),
        **estimates.terms_view(found.terms),
        plan=run_view.plan_view(found.plan, sold=shown is not None) if found.plan else None,
        problems=estimates.listed(problems),
        warnings=[],
        title=run["title"],
    )
    return Reply(body)
