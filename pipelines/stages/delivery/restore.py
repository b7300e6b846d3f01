"""An earlier film of a run, or an earlier clip of a scene, chosen again: from what is paid for, so that nothing is
bought. The film becomes a new take of its run, and goes into the row as every film does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipelines.domain.airtable.fields import AirtableTable, VideoField
from pipelines.domain.airtable.values import files_in
from pipelines.domain.errors import NotAllowed, NotFound, Problem, TooMany
from pipelines.domain.keys import new_id, new_token
from pipelines.domain.lifecycle import OPEN, STOPPED, CutStatus, RunStatus, SceneStatus
from pipelines.domain.orders.order import searchable
from pipelines.domain.records import Clip, Cut, Run, Scene
from pipelines.domain.state.attempts import AttemptLevel
from pipelines.domain.state.delivery import Attachment, JoinedScene
from pipelines.ports import Tx
from pipelines.stages.base_rows import film_row, outbox, run_row, scene_rows
from pipelines.stages.commerce import accounts
from pipelines.stages.decisions.control import must_be_alone
from pipelines.stages.decisions.dry_run import DecisionPreview
from pipelines.stages.delivery import verify_attachments
from pipelines.stages.films.cuts import as_joined, film_name, films_of
from pipelines.stages.films.versions import Version, version_of, with_clip
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import Actor, found_run, record, touch_run, transition_run, was_decided
from pipelines.stages.orders import account_turn


def restore(services: Services, run_id: str, take: int | None, actor: str, *, press: str | None = None) -> Run:
    """The film of that take (None: of the present one) is the run's film, and the row's, again. Twice is once.

    Raises NotFound, NotAllowed, TooMany.
    """
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if was_decided(tx, run.id, press):
            return run
        accounts.must_be_active(tx, run.account_id)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        version = _chosen(tx, run, scenes, take)
        if _is_shown(tx, run, scenes, version):
            _into_row(services, tx, run)
            return tx.runs.get(run.id) or run
        _must_be_possible(services, tx, run, scenes, version)
        known = {one.scene_id: one for one in version.scenes}
        for scene in scenes:
            _put_back(tx, who, scene, known[scene.id])
        record(tx, who, "run", run.id, run.id, "restored", sentence=f"Version {version.take + 1} was chosen again.")
        for cut in version.films:
            tx.cuts.add(_again(run, cut, who.now))
        return _begin(services, tx, who, run, [scene for scene in scenes if as_joined([scene]) != (known[scene.id],)])


def choose(services: Services, run_id: str, number: int, clip_id: str, actor: str, *, press: str | None = None) -> Run:
    """A scene shows that clip of its own again, in a new cut with the others as they are. Twice is once.

    Raises NotFound, NotAllowed, TooMany.
    """
    who = Actor(actor, services.clock.now())
    with services.store.write() as tx:
        account_turn.serialise_of(tx, run_id)
        run = found_run(tx, run_id, lock=True)
        if was_decided(tx, run.id, press):
            return run
        accounts.must_be_active(tx, run.account_id)
        scene, clip = _of_scene(tx, run, number, clip_id)
        if scene.clip_id == clip.id:
            return run
        others = [one for one in tx.scenes.find(run_id=run.id, order="number") if one.id != scene.id]
        chosen = with_clip(tx, run, scene, clip)
        _must_be_quiet(services, tx, run)
        _must_be_kept(tx, run, [chosen, *as_joined(others)])
        _put_back(tx, who, scene, chosen)
        said = f"Scene {number}: an earlier clip was chosen again."
        record(tx, who, "scene", scene.id, run.id, "restored", sentence=said)
        if all(one.clip_id for one in others):
            return _begin(services, tx, who, run, [scene])
        scene_rows.show(services, tx, run, tx.scenes.get(scene.id) or scene)
        return touch_run(tx, who, run)


def preview(services: Services, run_id: str, take: int | None) -> DecisionPreview:
    """What stands against `restore`; it costs nothing. Raises NotFound."""
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        scenes = tx.scenes.find(run_id=run.id, order="number")
        try:
            version = _chosen(tx, run, scenes, take)
            if not _is_shown(tx, run, scenes, version):
                _must_be_possible(services, tx, run, scenes, version)
        except (NotAllowed, TooMany) as error:
            return DecisionPreview(run.id, 0, run.plan, (Problem("take", error.marketer),))
        return DecisionPreview(run.id, 0, run.plan)


def preview_choice(services: Services, run_id: str, number: int, clip_id: str) -> DecisionPreview:
    """What stands against `choose`; it costs nothing. Raises NotFound."""
    with services.store.read() as tx:
        run = found_run(tx, run_id)
        scene, clip = _of_scene(tx, run, number, clip_id)
        try:
            if scene.clip_id != clip.id:
                others = [one for one in tx.scenes.find(run_id=run.id, order="number") if one.id != scene.id]
                _must_be_quiet(services, tx, run)
                _must_be_kept(tx, run, [with_clip(tx, run, scene, clip), *as_joined(others)])
        except (NotAllowed, TooMany) as error:
            return DecisionPreview(run.id, 0, run.plan, (Problem("clip_id", error.marketer),))
        return DecisionPreview(run.id, 0, run.plan)


def show_in_row(services: Services, run: Run) -> None:
    """The present films of a run in the cells of its row, from our own storage, whatever is there now. Raises
    NotAllowed.
    """
    with services.store.write() as tx:
        if not any(cut.key for cut in films_of(tx, run)):
            raise not_kept(run.number)
        _into_row(services, tx, run, always=True)


def not_kept(number: int) -> NotAllowed:
    """The film of that run is gone."""
    return NotAllowed(marketer=f"The film of run {number} is not kept any more. Tick Generate to make it anew.")


def _chosen(tx: Tx, run: Run, scenes: Sequence[Scene], take: int | None) -> Version:
    wanted = run.take if take is None else take
    if not tx.cuts.count(run_id=run.id, take=wanted, animatic=False):
        raise NotFound(f"take {wanted} of {run.id}", marketer="This run has no such version.")
    return version_of(tx, run, scenes, wanted)


def _of_scene(tx: Tx, run: Run, number: int, clip_id: str) -> tuple[Scene, Clip]:
    found = tx.scenes.find(run_id=run.id, number=number, limit=1)
    if not found:
        raise NotFound(f"scene {number} of {run.id}", marketer=f"This run has no scene {number}.")
    clip, scene = tx.clips.get(clip_id), found[0]
    mine = {clip.id for clip in tx.clips.find(run_id=run.id, scene_id=scene.id)} | {scene.clip_id}
    mine |= {
        one.clip_id for cut in tx.cuts.find(run_id=run.id) for one in cut.report.scenes if one.scene_id == scene.id
    }
    if clip is None or clip.id not in mine:
        raise NotFound(f"clip {clip_id} of {scene.id}", marketer=f"Scene {number} has no such clip.")
    return scene, clip


def _is_shown(tx: Tx, run: Run, scenes: Sequence[Scene], version: Version) -> bool:
    """Whether the run's film is, or is about to be, the one of this version."""
    if version.take == run.take:
        return bool(version.films) or run.status not in STOPPED
    is_there = run.status not in STOPPED or bool(films_of(tx, run))
    return is_there and as_joined(scenes) == tuple(version.scenes)


def _must_be_possible(services: Services, tx: Tx, run: Run, scenes: Sequence[Scene], version: Version) -> None:
    _must_be_quiet(services, tx, run)
    if {one.scene_id for one in version.scenes} != {scene.id for scene in scenes}:
        raise NotAllowed(marketer="It is not known any more of which clips this version was made.")
    each = len(run.known_plan.hooks) * len(run.known_plan.formats)
    if len(version.films) < each * max(1, len({cut.language for cut in version.films})):
        _must_be_kept(tx, run, version.scenes)


def _must_be_quiet(services: Services, tx: Tx, run: Run) -> None:
    """Nothing of the run is being made, no other run of its row is, and not too much of its account."""
    if run.status not in STOPPED:
        raise NotAllowed(marketer=f"Wait until this run has stopped; it is {run.status.value}.")
    must_be_alone(tx, run)
    if tx.generations.count(run_id=run.id, status=tuple(OPEN)):
        raise NotAllowed(
            marketer="A clip of this run is still being made, or its payment is in doubt. "
            "Wait for it, or decide on the run's page first."
        )
    if (refusal := account_turn.refusal_to_make_again(tx, run, services.policy)) is not None:
        raise refusal


def _must_be_kept(tx: Tx, run: Run, scenes: Sequence[JoinedScene]) -> None:
    """Everything that the film is joined from is there: nothing would have to be bought."""
    clips = {clip.id: clip for clip in tx.clips.find(id=sorted({one.clip_id for one in scenes}))}
    if any(one.clip_id not in clips or clips[one.clip_id].deleted_at for one in scenes):
        raise NotAllowed(marketer="Not all clips of this version are kept any more. Make the scene again instead.")
    spoken = [one for one in scenes if run.known_order.voiceover and (one.narration or one.caption)]
    if any(one.sound is None or tx.files.get(one.sound) is None for one in spoken):
        raise NotAllowed(marketer="What the narrator said is not kept any more. Make the scene again instead.")


def _put_back(tx: Tx, who: Actor, scene: Scene, was: JoinedScene) -> None:
    clip = tx.clips.get(was.clip_id)
    tx.scenes.change(
        scene.id,
        clip_id=was.clip_id,
        prompt=was.prompt,
        caption=was.caption,
        narration=was.narration,
        words=searchable(was.prompt, was.caption, was.narration),
        sound=was.sound,
        translations=was.translations,
        seconds=was.seconds,
        model=was.model,
        settings=was.settings,
        fingerprint=clip.fingerprint if clip else scene.fingerprint,
        status=SceneStatus.DONE,
        error=None,
        attempt_level=AttemptLevel(forgiven=tx.generations.count(scene_id=scene.id)),
        updated_at=who.now,
    )


def _again(run: Run, cut: Cut, now: float) -> Cut:
    """The same film as one of the take that follows. Its link in a cell differs from those that were given before."""
    following = replace(run, take=run.take + 1)
    return Cut(
        id=new_id("cut"),
        run_id=run.id,
        take=following.take,
        format=cut.format,
        status=CutStatus.MADE,
        token=new_token(),
        hook=cut.hook,
        language=cut.language,
        key=cut.key,
        sha256=cut.sha256,
        size=cut.size,
        filename=film_name(following, cut.format, cut.hook, cut.language, animatic=False),
        poster_key=cut.poster_key,
        extras=cut.extras,
        footage=cut.footage,
        report=cut.report,
        verdict=cut.verdict,
        attachment=Attachment(links=following.take, extras=cut.attachment.extras),
        created_at=now,
    )


def _begin(services: Services, tx: Tx, who: Actor, run: Run, changed: Sequence[Scene]) -> Run:
    """Put the film together, as far as it is not there, and deliver it."""
    again = {"detail": "Bringing an earlier version back. Nothing is bought.", "error": None, "finished_at": None}
    run = transition_run(tx, who, run, RunStatus.STITCHING, take=run.take + 1, next_at=who.now, **again)
    for scene in changed:
        scene_rows.show(services, tx, run, tx.scenes.get(scene.id) or scene, within_s=outbox.SOON_S)
    run_row.show(services, tx, run, urgent=True, within_s=outbox.MOMENT_S)
    return run


def _into_row(services: Services, tx: Tx, run: Run, *, always: bool = False) -> None:
    """A row that shows the film of another of its runs gets this one's again."""
    films = [cut for cut in films_of(tx, run) if cut.key]
    if run.base_id is None or run.record_id is None or not films or run.status not in STOPPED:
        return
    known = outbox.entry_of(tx, run.base_id, AirtableTable.VIDEOS, run.record_id)
    shown = files_in(known.fields.get(VideoField.FINAL_VIDEO.value)) if known else []
    keys = [file.url.rpartition("#")[0] for file in shown if file.url]
    if not always and keys == [f"{outbox.STORED}{cut.key}" for cut in films]:
        return
    now = services.clock.now()
    detail = {VideoField.STATUS_DETAIL.value: f"The film of run {run.number} is back."}
    # A link of its own: what we believe to be in the cell may have been removed there by hand.
    fields = film_row.cells(services, films, mark=f"back-{now:.0f}") | detail
    outbox.say(tx, now, run.base_id, run.record_id, fields)
    if services.policy.airtable_reaches_us:
        looked_after = verify_attachments.schedule_verification(films[0], AirtableTable.VIDEOS)
        tx.cuts.change(films[0].id, attachment=looked_after, next_at=now + verify_attachments.PAUSES_S[0])
