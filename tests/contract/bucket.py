"""A bucket on a real S3 server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.ports import MediaStore
from pipelines.settings import load_settings
from pipelines.storage import build_store
from tools.chaos.bucket import KEYS, SUPABASE, Bucket


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with the empty bucket `reels`."""
    server = Bucket()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def supabase() -> Iterator[str]:
    """The same as Supabase has it: under a path, and a file that is there is replaced by whoever puts it again."""
    server = Bucket(SUPABASE, replaces=True)
    yield server.url
    server.stop()


def bucket_store(endpoint: str, url: str, root: Path, **more: str) -> MediaStore:
    return build_store(load_settings({**KEYS, "STORAGE_URL": url, "AWS_ENDPOINT_URL": endpoint, **more}, root))
