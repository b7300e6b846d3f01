"""`make docs` writes every generated document; with `--check` it only says which are out of date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """Run every `tools/docs_*.py` and `tools/env_example.py`; the number of those that fail."""
    scripts = [*sorted(HERE.glob("docs_*.py")), HERE / "env_example.py"]
    failed = [
        path.name for path in scripts if subprocess.run([sys.executable, str(path), *arguments], check=False).returncode
    ]
    if failed:
        sys.stderr.write(f"not up to date: {', '.join(failed)} (make docs)\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
