"""Where a process id means something: this host, since this start, as this container sees it."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path

BOOT, NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


@cache
def machine() -> str:
    """A name that two containers never share, also where somebody gave them one host name (`network_mode: host`, a
    fixed `hostname:`): process 7 of one is not process 7 of the other. Without Linux, the host name alone.
    """
    try:
        boot, namespace = BOOT.read_text("ascii").strip(), NAMESPACE.stat().st_ino
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {boot} {namespace}"
