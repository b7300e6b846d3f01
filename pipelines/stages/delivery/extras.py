"""What goes with a film that is delivered already: a contact sheet, a small looping preview, and its sound where that
is posted.
"""

from __future__ import annotations

from dataclasses import replace

from pipelines.domain.errors import ReelgridError
from pipelines.domain.records import Cut, Run
from pipelines.ports import log_context
from pipelines.stages.delivery import pack, verify_attachments
from pipelines.stages.files import keep
from pipelines.stages.films import equal_films
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services
from pipelines.stages.kernel.transitions import FREE, Actor, record


def advance(services: Services, actor: Actor, cut: Cut) -> None:
    """First the extras, then the pack, then a look whether Airtable has what it was given."""
    with services.store.read() as tx:
        run = tx.runs.get(cut.run_id)
        packs = run is not None and pack.is_due(tx, run)
    log_context.add(run_id=cut.run_id)
    if run is not None and packs:
        pack.make(services, actor, run)
    if cut.attachment.extras:
        verify_attachments.verify(services, actor, cut.id)
    elif cut.key is not None and cut.deleted_at is None:
        make(services, actor, cut, run)


def make(services: Services, actor: Actor, cut: Cut, run: Run | None) -> None:
    """Make them and store them beside the film; nobody waits for them."""
    if cut.key is None:
        return
    film, stem = scratch.local(services, cut.key), cut.key.removesuffix(".mp4")
    twin = _twin(services, cut, run)
    with scratch.folder(services, "extras", cut.id) as folder:
        sheet, preview = folder / "sheet.jpg", folder / "preview.mp4"
        if not (twin and equal_films.copied(services, twin.extras["contact_sheet"], sheet)):
            services.editor.contact_sheet(film, sheet)
        if not (twin and equal_films.copied(services, twin.extras["preview"], preview)):
            services.editor.preview(film, preview)
        made = {
            "contact_sheet": keep.keep(services, cut.run_id, sheet, f"{stem}-sheet.jpg", "image/jpeg").key,
            "preview": keep.keep(services, cut.run_id, preview, f"{stem}-preview.mp4", "video/mp4").key,
        }
        if run is not None and pack.posts_sound(run, cut):
            sound = services.editor.soundtrack(film, folder / "sound.m4a", cut.language)
            made[pack.SOUND] = keep.keep(services, cut.run_id, sound, f"{stem}-sound.m4a", "audio/mp4").key
    _settle(services, actor, cut.id, made)


def _twin(services: Services, cut: Cut, run: Run | None) -> Cut | None:
    """A film that shows the same and has them already: only films in several languages do."""
    if run is None or run.plan is None or not run.plan.further_languages:
        return None
    with services.store.read() as tx:
        before = equal_films.made_before(tx, run)
    there = [one for one in before if "preview" in one.extras and "contact_sheet" in one.extras]
    return equal_films.twin_of(there, cut, cut.verdict.pictures)


def _settle(services: Services, actor: Actor, cut_id: str, made: dict[str, str]) -> None:
    with services.store.write() as tx:
        known = tx.cuts.get(cut_id)
        # Of several films that are finished at the same moment, the last one sees that all are.
        run = tx.runs.get(known.run_id, lock=True) if known else None
        cut = tx.cuts.get(cut_id, lock=True)
        if cut is None or run is None:
            return
        extras, attachment = {**cut.extras, **made}, replace(cut.attachment, extras=True)
        later = services.clock.now() + verify_attachments.PAUSES_S[0] if attachment.verifications else None
        done = {"extras": extras, "attachment": attachment, "next_at": later}
        tx.cuts.change(cut_id, {"lease_token": actor.lease}, attempts=0, **done, **FREE)
        if pack.is_due(tx, run):
            tx.cuts.change(cut_id, next_at=services.clock.now())


def give_up(services: Services, actor: Actor, cut_id: str, error: ReelgridError) -> None:
    """The film is there without them."""
    with services.store.write() as tx:
        known = tx.cuts.get(cut_id)
        run = tx.runs.get(known.run_id) if known else None
        if run is not None and pack.is_due(tx, run):
            pack.give_up(tx, actor, run, error.operator)
    if known is not None and known.attachment.extras:
        verify_attachments.give_up(services, actor, cut_id, error)
        return
    _settle(services, actor, cut_id, {})
    with services.store.write() as tx:
        cut = tx.cuts.get(cut_id)
        if cut is not None:
            record(tx, actor, "cut", cut_id, cut.run_id, "no_extras", error=error.operator)
