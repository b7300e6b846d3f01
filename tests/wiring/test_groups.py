"""Tests that share a product run in one process: `--dist loadgroup` sees the marks that say so.

A pytest and a pytest-xdist that do not fit each other pass over the marks in silence; then each process builds every
product for itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

MARKED = """
import pytest

pytestmark = pytest.mark.xdist_group("one")

@pytest.mark.parametrize("number", range(12))
def test_it(number):
    pass
"""


@pytest.mark.slow
def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    ran = re.findall(r"\[(gw\d)\].*PASSED", done.stdout)
    assert (len(ran), len(set(ran))) == (12, 1), done.stdout
