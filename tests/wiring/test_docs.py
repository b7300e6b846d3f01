"""What the documents say is there: links, commands, settings, statuses, and the pages that code writes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from pipelines.domain.lifecycle import CutStatus, GenerationStatus, RunStatus
from pipelines.domain.records import PaymentStatus
from pipelines.providers import all_variables, load_catalogue
from tools.docs import build, command_line
from tools.docs.inside import lifecycle

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
OF_OTHERS = frozenset({"sandbox-airtable.md", "sandbox-vendors.md"})
"""Pages about the words of emulated vendors."""
FOREIGN = frozenset(
    {
        "AWS_S3_BUCKET_NAME",
        "FLASK_APP",
        "AWS_DEFAULT_REGION",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "RECORD_ID",
        "REELGRID_KEY",
        "WEBHOOK_SECRET",
        "START_SECRET",
        "START_URL",
        "NAME_FILE",
    }
)
"""Names in capitals that are no settings of ours: a bucket's variables, Airtable's functions, a script's secret.
ACME is the vendor of the how-to."""
FOREIGN_STARTS = ("REELGRID_TEST_", "RAILWAY_", "RAILPACK_", "ACME_", "POSTGRES_")
PLACEHOLDER = re.compile(r"[A-Z]+_ID|[A-Z]+_KEY_ID")
"""`RUN_ID` in a command stands for a value."""
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)(?:\s\"[^\"]*\")?\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
GROUPS = frozenset({lifecycle.GROUP, "[*]"})


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@cache
def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def code_of(page: Path) -> str:
    """Everything set as code, one piece a line."""
    return "\n".join(CODE.findall(text_of(page)))


def links_of(page: Path) -> list[str]:
    prose = CODE.sub("", text_of(page))
    found = LINK.findall(prose)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    prose = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings)


def target_of(page: Path, link: str) -> tuple[Path, str]:
    path, _, fragment = link.partition("#")
    return ((page.parent / path).resolve() if path else page), fragment


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links_of(page):
        target, fragment = target_of(page, link)
        assert target.exists(), f"{link} leads nowhere"
        assert ROOT in [target, *target.parents], f"{link} leaves the repository"
        if fragment:
            assert fragment in anchors_of(target), f"{link}: that page has no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            found = (target_of(page, link)[0] for link in links_of(page))
            waiting += [target for target in found if target.suffix == ".md"]
    assert [name_of(page) for page in PAGES if page not in seen] == []


@every_page
def test_every_make_target_that_is_mentioned_exists(page: Path) -> None:
    mentioned = re.findall(r"(?:^|[`\s])make ([a-z][a-z-]*)", code_of(page), re.MULTILINE)
    unknown = set(mentioned) - {name for name, _ in command_line.targets()}
    assert not unknown


@pytest.fixture(scope="module")
def commands() -> dict[str, set[str]]:
    """Groups with their commands; a command without a group has none."""
    found: dict[str, set[str]] = {}
    for words, _ in command_line.commands(command_line.application()):
        found.setdefault(words[0], set()).update(words[1:])
    return found


@every_page
def test_every_flask_command_that_is_mentioned_exists(page: Path, commands: dict[str, set[str]]) -> None:
    for group, command in re.findall(r"(?:^|[`\s/])flask ([a-z]+)(?: ([a-z]+))?", code_of(page), re.MULTILINE):
        assert group in commands, f"flask {group}"
        assert not command or command in commands[group], f"flask {group} {command}"


@every_page
def test_every_setting_that_is_mentioned_exists(page: Path) -> None:
    if page.name in OF_OTHERS:
        pytest.skip("about the words of vendors")
    names = {variable.name for variable in all_variables(load_catalogue())}
    for name in set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", code_of(page))):
        known = name in names or name.removesuffix("_FILE") in names or name in FOREIGN
        assert known or name.startswith(FOREIGN_STARTS) or PLACEHOLDER.fullmatch(name), name


@every_page
def test_every_status_that_is_mentioned_is_the_domains(page: Path) -> None:
    if page.name in OF_OTHERS:
        pytest.skip("about the words of vendors")
    known = {status.value for kind in (RunStatus, GenerationStatus, CutStatus, PaymentStatus) for status in kind}
    code = code_of(page)
    mentioned = re.findall(r"\bneeds_\w+|--status (\w+)|status=\"(\w+)\"", code)
    words = {word for found in mentioned for word in (found if isinstance(found, tuple) else (found,)) if word}
    words |= set(re.findall(r"\bneeds_\w+", text_of(page)))
    for block in re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", text_of(page), re.DOTALL):
        words |= {word for pair in re.findall(r"^\s*(\S+) --> (\S+)$", block, re.MULTILINE) for word in pair}
    assert not words - known - GROUPS


def takes_seconds(path: Path) -> tuple[pytest.MarkDecorator, ...]:
    """Films are made for it; `make docs-check` looks at it too."""
    return (pytest.mark.slow,) if path.name in {"cost.md", "usual_statements.json"} else ()


@pytest.mark.parametrize(
    "path", [pytest.param(page, marks=takes_seconds(page), id=name_of(page)) for page in build.PAGES]
)
def test_what_code_writes_is_what_it_wrote(path: Path) -> None:
    assert not build.outdated(path), "run: make docs"


def test_the_diagram_of_the_readme_loses_no_transition() -> None:
    """Drawn with a frame, and still every arrow of the table, and no other."""
    assert lifecycle.expanded() == lifecycle.run_edges()


def test_the_pictures_of_the_readme_are_small() -> None:
    pictures = [target_of(ROOT / "README.md", link)[0] for link in links_of(ROOT / "README.md")]
    sizes = [path.stat().st_size for path in pictures if path.suffix in {".webp", ".png"}]
    assert len(sizes) == 6
    assert sum(sizes) < 400_000
