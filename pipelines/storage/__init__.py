"""Where clips and cuts are kept: files on this machine or a bucket, behind one seam (`ports.MediaStore`)."""

from pipelines.ports import MediaStore, Stored
from pipelines.settings import Settings
from pipelines.storage.files import FileStore
from pipelines.storage.intake import GuardedIntake
from pipelines.storage.keys import content_key

__all__ = ["FileStore", "GuardedIntake", "MediaStore", "Stored", "build_store", "content_key"]


def build_store(settings: Settings) -> MediaStore:
    """The store that STORAGE_URL names. Opens no connection; `check` does."""
    if settings.storage.bucket is None:
        return FileStore.of(settings)
    # What speaks to buckets is 3 MB in each process; files need none of it.
    from pipelines.storage.bucket import BucketStore

    return BucketStore.of(settings)
