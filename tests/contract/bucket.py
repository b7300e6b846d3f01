"""A bucket on a real S3 server of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from pipelines.ports import MediaStore
from pipelines.settings import load_settings
from pipelines.storage import build_store

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-example", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with the empty bucket `reels`."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/reels").raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


def bucket_store(endpoint: str, url: str, root: Path, **more: str) -> MediaStore:
    return build_store(load_settings({**KEYS, "STORAGE_URL": url, "AWS_ENDPOINT_URL": endpoint, **more}, root))
