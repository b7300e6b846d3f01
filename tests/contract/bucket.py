"""A bucket on a real S3 server of this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from pipelines.ports import MediaStore
from pipelines.settings import load_settings
from pipelines.storage import build_store
from tools.chaos.bucket import KEYS, SUPABASE, Bucket
from tools.stack import ROOT, free_port, until

WEED = shutil.which("weed", path=str(Path(sys.executable).parent))
"""SeaweedFS's program, which a package of the development environment brings; None where it does not."""


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


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a SeaweedFS, as `compose.yaml` starts it."""
    if WEED is None:
        pytest.skip("SeaweedFS is not on this machine")
    with seaweedfs(tmp_path_factory.mktemp("seaweed"), KEYS) as url:
        yield url


@contextmanager
def seaweedfs(folder: Path, keys: Mapping[str, str], host: str = "127.0.0.1") -> Iterator[str]:
    """With the options of `compose.yaml`, but for folder, name and ports."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    words = [word for word in services["storage"]["command"] if not word.startswith(("-dir", "-ip"))]
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    words += [f"-{name}.port{kind}={port}" for name, first in ports.items() for kind, port in _both(first)]
    words += [f"-dir={folder}", f"-ip={host}", f"-ip.bind={host}"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **keys}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(WEED), *words], cwd=folder, env=environ, stdout=log, stderr=log)
    url = f"http://{host}:{ports['s3']}"
    try:
        until(lambda: httpx.get(f"{url}/healthz", timeout=5).status_code == httpx.codes.OK, "SeaweedFS to answer")
        yield url
    finally:
        # It would wait for its own parts for ever.
        process.kill()
        process.wait()


def _both(port: int) -> Iterator[tuple[str, int]]:
    yield from (("", port), (".grpc", free_port()))


def bucket_store(endpoint: str, url: str, root: Path, **more: str) -> MediaStore:
    return build_store(load_settings({**KEYS, "STORAGE_URL": url, "AWS_ENDPOINT_URL": endpoint, **more}, root))
