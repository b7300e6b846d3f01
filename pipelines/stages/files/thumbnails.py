"""A small picture for each clip, so that a page of scenes opens no video. Without one the clip is as good."""

from __future__ import annotations

import logging
from pathlib import Path

from pipelines.domain.errors import ReelgridError
from pipelines.domain.keys import storage_folder
from pipelines.domain.records import THUMBNAIL, Clip
from pipelines.stages.files import keep
from pipelines.stages.kernel import scratch
from pipelines.stages.kernel.services import Services

logger = logging.getLogger(__name__)


def make(services: Services, clip: Clip, source: Path, account_id: str | None) -> None:
    """From the file that was just fetched, after the clip has been told: nothing waits for the picture."""
    key = f"{storage_folder('frames', account_id)}/{clip.sha256[:2]}/{clip.sha256}-thumbnail.webp"
    try:
        if services.media.stat(key) is None:
            with scratch.draft(services, "frames", f"{clip.id}.webp") as path:
                services.editor.thumbnail(source, path)
                keep.keep(services, clip.run_id, path, key, "image/webp")
        with services.store.write() as tx:
            current = tx.clips.get(clip.id, lock=True)
            if current is not None and current.deleted_at is None:
                tx.clips.change(clip.id, prepared={**current.prepared, THUMBNAIL: key})
    except (ReelgridError, OSError) as error:
        logger.warning("clip %s has no thumbnail: %s", clip.id, error)
