"""A small picture for each clip, so that a page of scenes opens no video. Without one the clip is as good."""

from __future__ import annotations

import logging
from functools import partial

from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import storage_folder
from pipelines.domain.records import THUMBNAIL, Clip, Run
from pipelines.ports import Tx
from pipelines.stages.files import keep
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)


def make(services: Services, clip_id: str) -> None:
    """After the clip has been made ready: nothing waits for the picture. As long as others of its run are to be made
    ready, the film waits for those: whoever makes the last of them ready makes the pictures of all.
    """
    with services.store.read() as tx:
        clip = tx.clips.get(clip_id)
        run = tx.runs.get(clip.run_id) if clip else None
        clips = tx.clips.find(run_id=clip.run_id) if clip else []
    if any(one.next_at is not None for one in clips):
        return
    for one in clips:
        if one.prepared and one.thumbnail is None and one.deleted_at is None:
            _make(services, run, one)


def _make(services: Services, run: Run | None, clip: Clip) -> None:
    folder = storage_folder("frames", run.account_id if run else None)
    key = f"{folder}/{clip.sha256[:2]}/{clip.sha256}-thumbnail.webp"
    try:
        if services.media.stat(key) is None:
            with scratch.draft(services, "frames", f"{clip.id}.webp") as path:
                services.editor.thumbnail(scratch.local(services, clip.key), path)
                keep.keep(services, clip.run_id, path, key, "image/webp", also=partial(_give, clip_id=clip.id, key=key))
        else:
            with services.store.write() as tx:
                _give(tx, clip_id=clip.id, key=key)
    except (ReelgridError, OSError) as error:
        logger.warning("clip %s has no thumbnail: %s", clip.id, error)


def _give(tx: Tx, *, clip_id: str, key: str) -> None:
    current = tx.clips.get(clip_id, lock=True)
    if current is not None and current.deleted_at is None:
        tx.clips.change(clip_id, prepared={**current.prepared, THUMBNAIL: key})
