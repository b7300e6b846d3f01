"""A service of `compose.yaml` as Docker runs it, by the kernel's own means: below an init of its own, with process
numbers, an address and a host name of its own, on a root that cannot be written to, as the image's user without any
right, and with the volume and a small `/tmp`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.machines import Machine
from tests.containers.image import INIT, Image
from tools.chaos.killer import children
from tools.stack import ROOT, Service, until

_MOUNTS = """
set -e
mount --bind {root} {root}
mount -t proc proc {root}/proc
mount -t tmpfs -o mode=755 tmpfs {root}/dev
for name in null zero full random urandom tty; do cp -a /dev/$name {root}/dev/; done
ln -s /proc/self/fd {root}/dev/fd
mkdir -m 1777 {root}/dev/shm
cp {init} {root}/dev/init
mount -t tmpfs -o noexec,nosuid,nodev,mode=1777,size=64m tmpfs {root}/tmp
mount --bind {volume} {root}{place}
mount --bind {hosts} {root}/etc/hosts
mount -o remount,bind,ro {root}
exec chroot {root} env -i -C {folder} {environ} setpriv {rights} -- /dev/init -- {command}
"""
_RIGHTS = "--reuid {user} --regid {group} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
STOPPED_S = 60.0
"""So long compose waits: `stop_grace_period`."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where containers of one image run: their volume, where others are found by name, and logs."""

    image: Image
    folder: Path
    place: str
    """Where the volume is, inside."""
    hosts: Mapping[str, str]

    @classmethod
    @contextmanager
    def of(cls, image: Image, folder: Path, place: str, hosts: Mapping[str, str]) -> Iterator[Host]:
        """A volume that is new has what the image has there, and its owner."""
        folder.mkdir()
        inside = Path(f"{image.root}{place}")
        subprocess.run(["cp", "-a", str(inside), str(folder / "volume")], check=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in hosts.items())]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        yield cls(image, folder, place, hosts)

    def enter(self, machine: Machine, command: Sequence[str], environ: Mapping[str, str]) -> str:
        """The shell's command that becomes this one, in there."""
        image, script = self.image, self.folder / f"{machine.name}-{len(list(self.folder.iterdir()))}.sh"
        told = {"HOME": "/home/reelgrid", "HOSTNAME": machine.name, **image.environ, **environ}
        script.write_text(
            _MOUNTS.format(
                root=image.root,
                init=shutil.which(INIT),
                volume=self.folder / "volume",
                place=self.place,
                hosts=self.folder / "hosts",
                folder=image.folder,
                environ=shlex.join(f"{name}={value}" for name, value in told.items()),
                rights=_RIGHTS.format(user=image.user, group=image.group),
                command=shlex.join(command),
            )
        )
        return machine.runs(f"sh {script}")

    def run(self, machine: Machine, environ: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
        """`docker compose exec` of another command beside it."""
        words = self.enter(machine, command, environ)
        return subprocess.run(words, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


class Container:
    """One that runs."""

    def __init__(self, host: Host, machine: Machine, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.host, self.machine, self.environ = host, machine, dict(environ)
        entered = host.enter(machine, command, environ)
        self.service = Service(machine.name, entered, dict(os.environ), host.folder / f"{machine.name}.log")

    def start(self) -> None:
        """Its log is gone on with."""
        self.service.start()

    @property
    def first(self) -> int:
        """Its process 1, by the number that it has out here."""
        return self._below(self.service.process.pid if self.service.process else 0)

    @property
    def command(self) -> int:
        """The service itself, by the number that it has out here."""
        return self._below(self.first)

    def _below(self, pid: int) -> int:
        def found() -> int | None:
            assert self.service.alive, self.service.tail()
            return next(iter(children(pid)), None)

        return until(found, f"a process of {self.machine.name}")

    def healthy(self) -> bool:
        """What the image's HEALTHCHECK finds."""
        return self.host.run(self.machine, self.environ, *self.host.image.health).returncode == 0

    def stop(self) -> int | None:
        """`docker compose stop`: its exit code, or None where it would have been killed."""
        if self.service.process is None:
            return None
        os.kill(self.first, signal.SIGTERM)
        try:
            return self.service.process.wait(STOPPED_S)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """However it is."""
        self.service.stop(signal.SIGKILL)
