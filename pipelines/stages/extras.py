"""What goes with a film that is delivered already: a contact sheet and a small looping preview."""

from __future__ import annotations

from pipelines.domain.errors import ReelgridError
from pipelines.stages import scratch
from pipelines.stages.moves import FREE, Actor, record
from pipelines.stages.services import Services


def make(services: Services, actor: Actor, cut_id: str) -> None:
    """Make both and store them beside the film; nobody waits for them."""
    with services.store.read() as tx:
        cut = tx.cuts.get(cut_id)
    if cut is None or cut.key is None or cut.deleted_at is not None:
        return
    folder = services.work / "extras" / cut.id
    folder.mkdir(parents=True, exist_ok=True)
    film, stem = scratch.local(services, cut.key), cut.key.removesuffix(".mp4")
    sheet = services.studio.contact_sheet(film, folder / "sheet.jpg")
    preview = services.studio.preview(film, folder / "preview.mp4")
    made = {
        "contact_sheet": services.media.put_file(sheet, f"{stem}-sheet.jpg", "image/jpeg").key,
        "preview": services.media.put_file(preview, f"{stem}-preview.mp4", "video/mp4").key,
    }
    for path in (sheet, preview):
        path.unlink(missing_ok=True)
    folder.rmdir()
    _settle(services, actor, cut_id, made)


def _settle(services: Services, actor: Actor, cut_id: str, made: dict[str, str]) -> None:
    with services.store.write() as tx:
        cut = tx.cuts.get(cut_id, lock=True)
        if cut is not None:
            extras = {**cut.extras, **made}
            tx.cuts.change(cut_id, {"lease_token": actor.lease}, extras=extras, next_at=None, attempts=0, **FREE)


def give_up(services: Services, actor: Actor, cut_id: str, error: ReelgridError) -> None:
    """The film is there without them."""
    _settle(services, actor, cut_id, {})
    with services.store.write() as tx:
        cut = tx.cuts.get(cut_id)
        if cut is not None:
            record(tx, actor, "cut", cut_id, cut.run_id, "no_extras", error=error.operator)
