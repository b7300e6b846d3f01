"""Files that arrive whole or not at all: a temporary name beside the destination, fsync, rename."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipelines.domain.errors import Busy

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def disk_full_is_busy() -> Iterator[None]:
    """Turn a full disk into `Busy`: nothing is lost, and the step runs again when there is room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise Busy(
            "the disk is full: free some room under VAR_DIR",
            marketer="Our disk is full at the moment; nothing is lost, and we go on as soon as there is room.",
        ) from error


@contextmanager
def whole_file(dest: Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes `dest` when the block ends well, and leaves nothing when it does not.

    Raises `Busy` when the disk is full.
    """
    with disk_full_is_busy():
        dest.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=dest.parent, prefix=".", suffix=".part")
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(dest)
            sync_folder(dest.parent)
        finally:
            draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
