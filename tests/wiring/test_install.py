"""The environment is set up with uv where there is one, and with pip where there is none or where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.stack import ROOT

STAND_IN = '#!/bin/sh\necho "{name} $*" >> "$ASKED"\n[ "$2" != config ] || exit 1\nexit {code}\n'


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A small environment: the Python that runs this, with a pip that only notes what it was asked."""
    made = tmp_path / "bin"
    made.mkdir()
    (made / "python").symlink_to(sys.executable)
    return made


def install(bin_folder: Path, **environ: str) -> tuple[int, list[str]]:
    asked = bin_folder / "asked"
    pip = 'import os, sys\nwith open(os.environ["ASKED"], "a") as file:\n    print("pip", *sys.argv[1:], file=file)\n'
    pip += 'sys.exit(int(os.environ["PIP_CODE"]) if "uv" in sys.argv else 0)\n'
    modules = bin_folder / "modules"
    modules.mkdir()
    (modules / "pip.py").write_text(pip)
    known = {
        "ASKED": str(asked),
        "PYTHONPATH": f"{modules}:{ROOT}",
        "PATH": f"{bin_folder}:/usr/bin:/bin",
        "PIP_CODE": "1",
    }
    known = {"HOME": os.environ.get("HOME", "/")} | known | environ
    command = [str(bin_folder / "python"), "-m", "tools.install", "wanted.txt"]
    done = subprocess.run(command, env=known, check=False, capture_output=True, text=True)
    lines = asked.read_text().splitlines()
    return done.returncode, [line for line in lines if " config " not in line]


def put_uv(bin_folder: Path, code: int) -> None:
    uv = bin_folder / "uv"
    uv.write_text(STAND_IN.format(name="uv", code=code))
    uv.chmod(0o755)


def test_uv_installs_where_there_is_one(bin_folder: Path) -> None:
    put_uv(bin_folder, 0)
    code, asked = install(bin_folder)
    assert (code, [line.split()[0] for line in asked]) == (0, ["uv"])
    assert asked[0].endswith("-r wanted.txt")


def test_pip_installs_where_uv_fails(bin_folder: Path) -> None:
    put_uv(bin_folder, 2)
    code, asked = install(bin_folder)
    assert (code, [line.split()[0] for line in asked]) == (0, ["uv", "pip"])
    assert asked[1].endswith("-r wanted.txt")


def test_pip_installs_where_uv_cannot_be_had(bin_folder: Path) -> None:
    code, asked = install(bin_folder)
    assert code == 0
    assert [line.split()[-1] for line in asked] == ["uv", "wanted.txt"]


def test_uv_looks_where_pip_finds_packages(bin_folder: Path) -> None:
    uv = bin_folder / "uv"
    uv.write_text('#!/bin/sh\necho "uv $UV_DEFAULT_INDEX" >> "$ASKED"\n')
    uv.chmod(0o755)
    _, asked = install(bin_folder, PIP_INDEX_URL="https://packages.example/simple")
    assert asked == ["uv https://packages.example/simple"]
