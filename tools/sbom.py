"""`make sbom`: what ships, as a bill of materials in CycloneDX 1.6, from the lock: names, versions, hashes, addresses.

The same lock gives the same file, so that two people can compare what they have.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pipelines
from tools.stack import ROOT

LOCK = ROOT / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s\\;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def components(lock: str) -> list[dict[str, Any]]:
    """One for each pinned package, with the hash of each of its files."""
    found: list[dict[str, Any]] = []
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            name, version = pin.groups()
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
            found.append(
                {"type": "library", "name": name, "version": version, "bom-ref": purl, "purl": purl, "hashes": []}
            )
        elif (mark := _HASH.search(line)) and found:
            found[-1]["hashes"].append({"alg": "SHA-256", "content": mark.group(1)})
    return found


def document(lock: str, version: str) -> str:
    """The whole file."""
    ours = {"type": "application", "name": "reelgrid", "version": version, "bom-ref": "reelgrid"}
    listed = components(lock)
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": ours},
        "components": listed,
        "dependencies": [{"ref": "reelgrid", "dependsOn": [one["bom-ref"] for one in listed]}],
    }
    return json.dumps(made, indent=2) + "\n"


def main() -> int:
    """Write it where a release takes it from."""
    path = Path("dist") / f"reelgrid-{pipelines.__version__}.cdx.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(document(LOCK.read_text("utf-8"), pipelines.__version__), "utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
