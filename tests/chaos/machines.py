"""Machines on one machine: a network, a host name and process numbers of their own for each, and a cable to pull.

Root on Linux only. The first machine is this one, with an address on the same network; everything there is as ever.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tools.stack import StackError

FIRST = "10.77.0.1"
NOT_HERE = "needs root, and a kernel that lets it make networks"


@dataclass(frozen=True, slots=True)
class Machine:
    """`name` is its host name, too."""

    name: str
    namespace: str
    cable: str
    address: str

    def runs(self, command: str) -> str:
        """The command, on this machine, as its process 1: with it everything there ends."""
        inside = f"hostname {self.name} && exec {command}"
        return (
            f"exec ip netns exec {self.namespace} unshare --pid --uts --fork --mount-proc --kill-child sh -c '{inside}'"
        )

    def pull(self) -> None:
        """Nothing comes and nothing goes any more; nobody is told."""
        _ip("link", "set", self.cable, "down")

    def plug_in(self) -> None:
        """The cable is back."""
        _ip("link", "set", self.cable, "up")


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise StackError(f"ip {' '.join(words)}: {error.stderr}") from error


def possible() -> bool:
    """Whether networks can be made here."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    name = f"rg{uuid.uuid4().hex[:6]}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
        _ip("link", "add", name, "type", "bridge")
        _ip("link", "del", name)
    except StackError:
        return False
    return True


@contextmanager
def network(*names: str, first: str = FIRST) -> Iterator[list[Machine]]:
    """So many more machines, each on a cable of its own to one switch, with the addresses after this machine's."""
    mark = uuid.uuid4().hex[:5]
    switch = f"rg{mark}"
    net = first.rpartition(".")[0]
    made = [
        Machine(name, f"rg{mark}-{name}", f"rg{mark}{place}", f"{net}.{place + 2}") for place, name in enumerate(names)
    ]
    try:
        _ip("link", "add", switch, "type", "bridge")
        _ip("addr", "add", f"{first}/24", "dev", switch)
        _ip("link", "set", switch, "up")
        for machine in made:
            far = f"{machine.cable}x"
            _ip("netns", "add", machine.namespace)
            _ip("link", "add", machine.cable, "type", "veth", "peer", "name", far)
            _ip("link", "set", far, "netns", machine.namespace)
            _ip("link", "set", machine.cable, "master", switch)
            machine.plug_in()
            _ip("-n", machine.namespace, "addr", "add", f"{machine.address}/24", "dev", far)
            for device in (far, "lo"):
                _ip("-n", machine.namespace, "link", "set", device, "up")
        yield made
    finally:
        for machine in made:
            with suppress(StackError):
                _ip("netns", "del", machine.namespace)
        with suppress(StackError):
            _ip("link", "del", switch)
