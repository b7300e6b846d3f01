"""`make audit`: what is known against the pinned packages, by pip-audit.

A package that could not be looked up is no good news. Where none could be, the machine has no way to the advisories,
and that is said; where some could not, it fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tools.stack import ROOT

LOCKED = (
    "requirements.txt",
    "requirements-otel.txt",
    "requirements-c2pa.txt",
    "requirements-search.txt",
    "requirements-dev.txt",
)


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why an advisory does not count, and until when somebody believed so."""

    until: date
    why: str


_UNREACHABLE = "MoviePy keeps us below Pillow 12; its decoders cannot be reached: tests/wiring/test_pillow.py"
EXCEPTIONS: Mapping[str, Excuse] = {
    name: Excuse(date(2027, 3, 1), _UNREACHABLE) for name in ("CVE-2026-25990", "CVE-2026-40192", "CVE-2026-42309")
}


def judge(report: Mapping[str, Any], today: date) -> tuple[list[str], str | None]:
    """What is wrong, and why nothing could be looked up, if nothing could."""
    rows = report["dependencies"]
    skipped = [row for row in rows if "skip_reason" in row]
    if rows and len(skipped) == len(rows):
        return [], "no advisory could be looked up from this machine: nothing is known, good or bad"
    wrong = [f"{row['name']}: {row['skip_reason']}" for row in skipped]
    for row in rows:
        for found in row.get("vulns", ()):
            names = {found["id"], *found.get("aliases", ())}
            excused = [EXCEPTIONS[name] for name in names if name in EXCEPTIONS]
            if not any(today < one.until for one in excused):
                fixed = ", ".join(found.get("fix_versions", ())) or "nowhere yet"
                wrong.append(f"{row['name']} {row['version']}: {found['id']}, mended in {fixed}")
    return wrong, None


def main() -> int:
    """Exit code 1 when something is wrong."""
    uv, code = Path(sys.executable).with_name("uv"), 0
    for name in LOCKED:
        words = ["pip-audit", "-r", name, "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        asked = subprocess.run(
            [str(uv), "tool", "run", "-q", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        start = asked.stdout.find('{"dependencies"')
        if start < 0:
            print(f"{name}: pip-audit did not answer: {asked.stderr.strip()[-300:]}")
            return 1
        wrong, unknown = judge(json.loads(asked.stdout[start:]), datetime.now(UTC).date())
        for line in wrong:
            print(f"{name}: {line}")
        print(f"{name}: {unknown or f'{len(wrong)} findings'}")
        code |= bool(wrong)
    return code


if __name__ == "__main__":
    sys.exit(main())
