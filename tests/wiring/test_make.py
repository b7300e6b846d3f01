"""The Makefile: what is written on its command line arrives as it was written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("prompt", ['A 5" screen', 'A "quoted" boat; $HOME & co', "It's `late`, $(now)", "Ein Füßchen"])
def test_a_prompt_may_hold_whatever_a_prompt_holds(tmp_path: Path, prompt: str) -> None:
    """Quotes, dollar signs and backticks are words of the film, neither make's nor the shell's."""
    told = tmp_path / "python"
    told.write_text('#!/bin/sh\nprintf %s "$PROMPT"\n')
    told.chmod(0o755)
    # A stand-in for the environment's Python, which need not be made for it.
    command = ["make", "-s", "-o", ".venv/.run", "demo", f"BIN={tmp_path}", f"PROMPT={prompt}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, prompt), done.stderr


def test_without_a_prompt_the_demo_has_its_own(tmp_path: Path) -> None:
    told = tmp_path / "python"
    told.write_text('#!/bin/sh\nprintf %s "${PROMPT}."\n')
    told.chmod(0o755)
    command = ["make", "-s", "-o", ".venv/.run", "demo", f"BIN={tmp_path}"]
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, env=environ)
    assert (done.returncode, done.stdout) == (0, "."), done.stderr
