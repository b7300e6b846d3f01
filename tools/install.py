"""Install a list of requirements into this environment: `python -m tools.install requirements.txt`.

With uv, which needs a fraction of pip's time, where it is on the machine or can be had from the registry; with pip
otherwise, and whenever uv does not manage: it knows less of how a machine's registry is set up. Standard library only,
because nothing else is there yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PIP = (sys.executable, "-m", "pip")
QUIET = ("--quiet", "--disable-pip-version-check")
OF_PIP = {"UV_DEFAULT_INDEX": "global.index-url", "SSL_CERT_FILE": "global.cert"}
"""What uv is told of pip's settings, unless it has been told already."""


def find_uv(environ: Mapping[str, str]) -> str | None:
    """The program: this environment's own, the machine's, or one that is installed here now."""
    own = Path(sys.executable).with_name("uv")
    if found := shutil.which(own) or shutil.which("uv", path=environ.get("PATH")):
        return found
    pinned = Path(__file__).resolve().parents[1] / "requirements-dev.txt"
    command = [*PIP, "install", *QUIET, "--constraint", str(pinned), "uv"]
    done = subprocess.run(command, env=environ, check=False, capture_output=True)
    return str(own) if done.returncode == 0 and own.exists() else None


def settings_for_uv(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: where pip finds packages, uv looks too."""
    told = dict(environ)
    for name, key in OF_PIP.items():
        if name not in told and (value := _of_pip(key, environ)):
            told[name] = value
    return told


def _of_pip(key: str, environ: Mapping[str, str]) -> str:
    if value := environ.get("PIP_" + key.partition(".")[2].replace("-", "_").upper()):
        return value
    done = subprocess.run([*PIP, "config", "get", key], env=environ, check=False, capture_output=True, text=True)
    return done.stdout.strip()


def main(requirements: str, environ: Mapping[str, str]) -> int:
    """The exit code of whichever program installed."""
    if uv := find_uv(environ):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "-r", requirements]
        if subprocess.run(command, env=settings_for_uv(environ), check=False).returncode == 0:
            return 0
        print("uv could not install that; pip tries.", file=sys.stderr, flush=True)
    return subprocess.run([*PIP, "install", *QUIET, "-r", requirements], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
