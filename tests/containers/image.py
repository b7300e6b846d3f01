"""The image of `deploy/Dockerfile`, built line by line where there is no Docker and no registry of images.

Buildah reads the file and runs its lines; the base that it names is made of Debian's packages, and has its Python's
version. Root on Linux only, with a way to Debian's packages and to PyPI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tools.stack import ROOT

INIT = "tini-static"
"""What Docker has as `docker-init`."""
TOOLS = ("buildah", "debootstrap", "unshare", INIT)
DEBIAN, MIRROR = "bookworm", "http://deb.debian.org/debian"
"""Its Python is of the version that the file asks for."""
PACKAGES = "ca-certificates,netbase,python3,python3-pip,tzdata"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
NAME = "reelgrid"


class NoBaseError(RuntimeError):
    """Debian's packages cannot be had here."""


@dataclass(frozen=True, slots=True)
class Image:
    """Where its files are, and what it says of how it is run."""

    root: Path
    user: str
    folder: str
    command: list[str]
    health: list[str]
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, told: dict[str, Any]) -> Self:
        """From what Docker's own format has under `config`."""
        kind, *health = told["Healthcheck"]["Test"]
        assert kind == "CMD", "no shell is needed to ask"
        environ = dict(line.split("=", 1) for line in told["Env"])
        return cls(root, told["User"], told["WorkingDir"], told["Cmd"], health, environ)

    @property
    def group(self) -> str:
        """The user's own, as the image's list of users has it."""
        lines = (self.root / "etc" / "passwd").read_text().splitlines()
        return next(fields[3] for fields in (line.split(":") for line in lines) if fields[2] == self.user)


@contextmanager
def built(folder: Path) -> Iterator[Image]:
    """Built from the repository as it is now. Raises NoBaseError, and CalledProcessError for a line that fails."""
    base = folder / "base"
    _make_base(base)
    tools = ("buildah", "--root", f"{folder}/images", "--runroot", f"{folder}/run", "--storage-driver", "vfs")

    def buildah(*words: str) -> str:
        done = subprocess.run([*tools, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"buildah {' '.join(words)}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout.strip()

    try:
        (name,) = re.findall(r"^FROM (\S+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
        first = buildah("from", "scratch")
        buildah("copy", "--quiet", first, str(base), "/")
        buildah("config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", first)
        buildah("commit", "--quiet", "--rm", first, f"docker.io/library/{name}")
        shutil.rmtree(base)
        how = ("--isolation", "chroot", "--format", "docker", "--pull-never")
        buildah("bud", *how, "--tag", NAME, "--file", str(DOCKERFILE), str(ROOT))
        root = Path(buildah("mount", buildah("from", "--pull-never", f"localhost/{NAME}")))
        yield Image.of(root, json.loads(buildah("inspect", "--type", "image", NAME))["Docker"]["config"])
    finally:
        buildah("rm", "--all")
        buildah("rmi", "--all", "--force")


def _make_base(folder: Path) -> None:
    """As Docker's own has them: `python` and `pip`, which may install. The authorities are this machine's: it may reach
    PyPI by one of its own.
    """
    words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(folder), MIRROR]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoBaseError(done.stdout.strip().rpartition("\n")[2])
    for managed in folder.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        managed.unlink()
    for name, program in {"python": "python3", "pip": "pip3"}.items():
        (folder / "usr/local/bin" / name).symlink_to(f"/usr/bin/{program}")
    if ("/" / AUTHORITIES).exists():
        shutil.copyfile("/" / AUTHORITIES, folder / AUTHORITIES)
    for left in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(folder / left)


def buildable() -> bool:
    """Whether it can be tried here."""
    return os.geteuid() == 0 and all(shutil.which(name) for name in TOOLS)
