"""Scratch space of one machine: copies of what is stored elsewhere, what can be made again, and what killed steps
leave. All of it can go.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.domain.errors import Busy
from pipelines.domain.keys import new_id
from pipelines.stages.kernel.services import Services

LEFT_S = 86_400.0
"""No step takes a day: a file that nobody used for so long was left behind."""
IN_USE_S = 3_600.0
CACHE_BYTES = 4 << 30
"""Copies of stored files, and what can be made again, may take so much of a disk, beyond those of the last hour."""


def cache(services: Services) -> Path:
    """The folder of what is named by its content and comes back when it is needed: no name ever means another file."""
    return services.work / "cache"


def local(services: Services, key: str) -> Path:
    """A stored file on this machine: the file itself where storage is our disk, else a copy, marked as used now."""
    path = services.media.local_path(key)
    if path is not None:
        return path
    copy = cache(services) / key.replace("/", "_")
    try:
        os.utime(copy)
    except FileNotFoundError:
        services.media.fetch(key, copy)
    return copy


def must_have_room(services: Services, bytes_free: int) -> None:
    """Before something is bought that comes at once. Raises Busy where the disk is as good as full."""
    services.work.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(services.work).free < bytes_free:
        raise Busy(
            "the disk is full: free some room under VAR_DIR",
            marketer="Our disk is full at the moment; nothing is lost, and we go on as soon as there is room.",
        )


@contextmanager
def draft(services: Services, room: str, name: str) -> Iterator[Path]:
    """Where one step makes one file; it is gone when the block ends. The path is nobody else's: two runs that want the
    same thing at the same moment must not write into one file.
    """
    path = services.work / room / f"{new_id('draft')}-{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def folder(services: Services, room: str, name: str) -> Iterator[Path]:
    """The same for several files. A step that lost its lease without knowing does not empty its successor's."""
    path = services.work / room / f"{new_id('draft')}-{name}"
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def made(services: Services, name: str, make: Callable[[Path], object]) -> Path:
    """A file of this machine that follows from its name alone: found, marked as used now, or made. Whoever wants it
    while another process makes it waits for that; a process that dies making it leaves nothing in the way.
    """
    path = cache(services) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            os.utime(path)
        else:
            make(path)
            with path.open("rb") as file:
                os.fsync(file)
    return path


def sweep(services: Services, now: float, *, cache_bytes: int = CACHE_BYTES) -> int:
    """Delete what was left, and the copies used longest ago where they are too many; how many files. `now` is this
    machine's own time in seconds, as its files know it.
    """
    files = [(path, facts.st_ctime, facts.st_size) for path, facts in _files(services.work)]
    left = {path for path, used, _ in files if used < now - LEFT_S}
    room = cache_bytes
    for path, used, size in sorted(files, key=lambda one: -one[1]):
        if path.parent == cache(services):
            room -= size
            left |= {path} if room < 0 and used < now - IN_USE_S else set()
    for path in left:
        path.unlink(missing_ok=True)
    # Empty folders of steps that were killed.
    for folder in services.work.glob("*/*"):
        with suppress(OSError):
            if folder.is_dir() and folder.stat().st_ctime < now - LEFT_S:
                folder.rmdir()
    return len(left)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file with its facts; what vanishes meanwhile is nobody's concern. A link made today to an old file is new:
    so the time of the last change is asked for, not that of the content.
    """
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.stat()
