"""A release is a tag at a commit whose changelog says so: `make release VERSION=1.2.3`.

Checked before anything is made: the newest heading of CHANGELOG.md is that version with a date, pyproject.toml has the
same version, nothing is uncommitted, and the tag is new. The tag is annotated with what the changelog says.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+")
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def newest(changelog: str) -> tuple[str, str]:
    """The newest heading of the changelog, and what stands below it."""
    _, heading, text, *_ = [*HEADING.split(changelog, maxsplit=2), "", ""]
    return heading, text.strip()


def complaints(version: str, root: Path) -> Iterator[str]:
    """What is in the way of a release, one sentence each."""
    if not VERSION.fullmatch(version):
        yield f"{version!r} is no version: write VERSION=1.2.3."
    heading, text = newest((root / "CHANGELOG.md").read_text("utf-8"))
    said, _, day = heading.partition(" - ")
    if said != version or not _is_date(day):
        yield f"The newest heading of CHANGELOG.md is {heading!r}, not '{version} - YYYY-MM-DD'."
    if not text:
        yield "CHANGELOG.md says nothing about this version."
    if (written := version_of(root)) != version:
        yield f"pyproject.toml has the version {written}."
    if f'__version__ = "{version}"' not in (root / "pipelines" / "__init__.py").read_text("utf-8"):
        yield "pipelines/__init__.py has another __version__."
    if _git(root, "status", "--porcelain"):
        yield "There are uncommitted changes."
    if _git(root, "tag", "--list", version):
        yield f"There is a tag {version} already."


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def version_of(root: Path) -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Tag the commit that is checked out, or say why not."""
    version = arguments[0] if arguments else ""
    if found := list(complaints(version, root)):
        print(*found, sep="\n")
        return 1
    _, text = newest((root / "CHANGELOG.md").read_text("utf-8"))
    # Verbatim: the changelog's own headings begin with the sign of a comment.
    _git(root, "tag", "--annotate", version, "--cleanup=verbatim", "--message", f"Reelgrid {version}\n\n{text}\n")
    print(f"Tagged {version}. Publish it: git push origin {version}, and attach what make sbom writes.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
