"""The films of a run: the cells of its row in `Videos` that hold them, and its row in `Versions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.domain.airtable.fields import AirtableTable, VersionField, VideoField
from pipelines.domain.airtable.values import CellFile, Cells, delivery_fields, version_fields
from pipelines.domain.keys import version_key
from pipelines.domain.languages import named
from pipelines.domain.money import show as show_money
from pipelines.domain.planning.hooks import further
from pipelines.domain.records import Cut, Run
from pipelines.ports import Tx
from pipelines.stages.base_rows import outbox, run_row, scene_rows
from pipelines.stages.kernel.services import Services
from pipelines.stages.spending import ledger

MOST_ATTACHED = 10
"""Airtable fetches each file by itself, and a base has room for so much."""


def show(services: Services, tx: Tx, run: Run, cuts: Sequence[Cut], *, have: Mapping[str, str] | None = None) -> None:
    """Say in the row which films there are, and keep them as a version. `have`: ids by name of the files that Airtable
    has already, when others have to be sent again.
    """
    if run.record_id is None or run.base_id is None or not cuts:
        return
    extra, is_new = cells(services, cuts, have=have), not cuts[0].animatic and have is None
    known = outbox.entry_of(tx, run.base_id, AirtableTable.VIDEOS, run.record_id)
    if is_new and known is not None:
        stale = (VideoField.PACK_URL, VideoField.POST_TEXT, VideoField.VARIANTS)
        extra |= {field.value: None for field in stale if known.fields.get(field)}
    if cuts[0].hook or len({cut.language for cut in cuts}) > 1:
        extra[VideoField.VARIANTS.value] = _variants(services, tx, run, cuts)
    run_row.show(services, tx, run, urgent=True, extra=extra)
    if is_new:
        _show_version(services, tx, run, cuts)


def cells(services: Services, cuts: Sequence[Cut], *, mark: str = "", have: Mapping[str, str] | None = None) -> Cells:
    """The cells of a row that belong to its film. Files are left out where Airtable could not fetch them.

    Airtable refuses a link that failed before: `mark` tells this try from others; by default it is how many links
    of the film were given.
    """
    attach = services.policy.airtable_reaches_us
    files = files_of(cuts, mark or str(cuts[0].attachment.links), have or {})
    return delivery_fields(
        video_url=services.links.video(cuts[0].token),
        duration_s=cuts[0].footage.duration_s,
        films=files[VideoField.FINAL_VIDEO] if attach else None,
        posters=files[VideoField.POSTER] if attach else None,
        keep_others=services.policy.keep_old_films,
    )


def files_of(cuts: Sequence[Cut], mark: str, have: Mapping[str, str]) -> dict[str, list[CellFile]]:
    """The files of `Final Video` and `Poster`, which `Videos` and `Versions` call alike."""
    held = attached(cuts)
    films = [(cut.key, film_name(cut), cut.size) for cut in held]
    posters = [(cut.poster_key, poster_name(cut), None) for cut in held if cut.poster_key]

    def links(files: Sequence[tuple[str | None, str, int | None]]) -> list[CellFile]:
        return [
            CellFile(url=f"{outbox.STORED}{key}#{mark}", filename=name, id=have.get(name), size=size)
            for key, name, size in files
        ]

    return {VideoField.FINAL_VIDEO.value: links(films), VideoField.POSTER.value: links(posters)}


def attached(cuts: Sequence[Cut]) -> list[Cut]:
    """The films that the row holds as files: all, or of many those in the first language. Links to the others stand in
    `Variants`.
    """
    few = len(cuts) <= MOST_ATTACHED
    return [cut for cut in cuts if few or cut.language == cuts[0].language]


def film_name(cut: Cut) -> str:
    """What a cut is called in its cell."""
    return cut.filename or "film.mp4"


def poster_name(cut: Cut) -> str:
    """What its poster is called."""
    return film_name(cut).removesuffix(".mp4") + ".jpg"


def _show_version(services: Services, tx: Tx, run: Run, cuts: Sequence[Cut]) -> None:
    key, files = version_key(run.record_id or run.id, run.number), files_of(cuts, "0", {})
    fields = version_fields(
        key=key,
        record_id=run.record_id or "",
        run=run.number,
        created_at=cuts[0].created_at,
        cost_micro=ledger.cost_shown(tx, run),
        model=run.plan.model if run.plan else "",
        what_changed=_what_changed(tx, run),
        films=files[VersionField.FINAL_VIDEO],
        posters=files[VersionField.POSTER],
        hooks=list(dict.fromkeys(cut.hook for cut in cuts if cut.hook)),
        languages=list(dict.fromkeys(cut.language for cut in cuts if cut.language)),
    )
    if not services.policy.airtable_reaches_us:
        del fields[VersionField.FINAL_VIDEO], fields[VersionField.POSTER]
    outbox.put(
        tx,
        services.clock.now(),
        base_id=run.base_id or "",
        table=AirtableTable.VERSIONS,
        run_id=run.id,
        merge_key=key,
        fields=fields,
    )


def _variants(services: Services, tx: Tx, run: Run, cuts: Sequence[Cut]) -> str:
    """A line for each film: its hook, its language, its format, its link, and what it cost beside what all share."""
    scenes = tx.scenes.find(run_id=run.id, order="number")
    own = {(cuts[0].language, scene.hook): scene_rows.cost_of(tx, run, scene) for scene in further(scenes)}
    own |= _cost_of_languages(tx, run, cuts)
    shared = max(0, ledger.cost_shown(tx, run) - sum(own.values()))
    own[cuts[0].language, cuts[0].hook] = shared
    lines = []
    for cut in cuts:
        # Its further formats are cut from the same clips, and so are its hooks in further languages.
        cost = own.pop((cut.language, cut.hook), None)
        said = "same clips" if cost is None else show_money(cost)
        names = (cut.hook and f"Hook {cut.hook}", cut.language and named(cut.language), cut.format)
        lines.append(" · ".join(filter(None, (*names, services.links.video(cut.token), said))))
    return "\n".join(lines)


def _cost_of_languages(tx: Tx, run: Run, cuts: Sequence[Cut]) -> dict[tuple[str, str], int]:
    """What translating and saying each further language cost: told with its first film. Who is charged in credits is
    charged for all words together.
    """
    others = {cut.language: cut.hook for cut in reversed(cuts) if cut.language != cuts[0].language}
    if run.price_micro is not None or not others:
        return {}
    found = dict.fromkeys(((language, hook) for language, hook in others.items()), 0)
    for bought in tx.purchases.find(run_id=run.id, kind=("speech", "translation")):
        language = bought.texts.language if bought.kind == "translation" else bought.request.language
        if language in others:
            found[language, others[language]] += bought.cost_micro
    return found


def _what_changed(tx: Tx, run: Run) -> str:
    """One sentence for the version: the first one, which scenes are new, or that all clips were reused."""
    if run.number == 1 and run.take == 0:
        return "First version."
    earlier = tx.cuts.find(run_id=run.id, before={"take": run.take}, animatic=False, order="-take", limit=1)
    since = earlier[0].created_at if earlier else 0.0
    clips = {clip.id for clip in tx.clips.find(run_id=run.id) if clip.created_at > since}
    new = [str(scene.number) for scene in tx.scenes.find(run_id=run.id, order="number") if scene.clip_id in clips]
    if not new:
        return "The same clips, put together anew."
    return f"New clip{'s' if len(new) > 1 else ''} for scene{'s' if len(new) > 1 else ''} {', '.join(new)}."
