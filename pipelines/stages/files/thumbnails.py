"""A small picture for each clip, so that a page of scenes opens no video. Without one the clip is as good."""

from __future__ import annotations

import logging
from functools import partial

from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import storage_folder
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.records import THUMBNAIL, Clip, Run
from pipelines.ports import Tx
from pipelines.stages.files import keep
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)


def make(services: Services, run_id: str) -> None:
    """After a clip has been made ready, or the film been put together: nothing waits for the pictures. As long as a
    clip of the run is to be made ready, or its film is made of them, that is waited for: whoever does the last of it
    makes the pictures of all.
    """
    with services.store.read() as tx:
        run, clips = tx.runs.get(run_id), tx.clips.find(run_id=run_id)
    if any(clip.next_at is not None for clip in clips) or (run and run.status is RunStatus.STITCHING):
        return
    for clip in clips:
        if clip.prepared and clip.thumbnail is None and clip.deleted_at is None:
            _make(services, run, clip)


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
