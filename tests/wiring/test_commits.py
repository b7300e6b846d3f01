"""The habits of a commit and of a release: what git is told to refuse, and what a tag is made from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import release
from tools.commit_message import complaints
from tools.stack import ROOT

WHY = "\n\nIt was told to one process only.\n"


@pytest.mark.parametrize(
    "subject",
    [
        "Bring the film home",
        "Say what a card costs",
        "Process a row once",
        "Focus the form",
        "Use Veo's own word",
        "X" * 72,
    ],
)
def test_an_order_with_a_reason_is_a_good_message(subject: str) -> None:
    assert list(complaints(subject + WHY)) == []


@pytest.mark.parametrize(
    "message",
    [
        "Added a model" + WHY,
        "Adding a model" + WHY,
        "Adds a model" + WHY,
        "add a model" + WHY,
        "Add a model." + WHY,
        "Add " + "x" * 69 + WHY,
        "Add a model\nwithout an empty line\n",
        "Add a model\n",
        "Add a model\n\n# Please enter the commit message\n",
        "\n",
    ],
)
def test_any_other_message_is_refused(message: str) -> None:
    assert list(complaints(message))


@pytest.mark.parametrize("message", ["Merge branch 'media'", 'Revert "Add a model"', "fixup! Add a model"])
def test_what_git_writes_by_itself_passes(message: str) -> None:
    assert list(complaints(message)) == []


def git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PRE_COMMIT_HOME": str(repository.parent / "pre-commit"),
        "SKIP": "imports",  # They are about this repository, and `make check` runs them.
    }
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A throw-away clone in small: the hooks, this environment, and a version that is ready to be released."""
    made = tmp_path / "repository"
    (made / "tools").mkdir(parents=True)
    for name in (".pre-commit-config.yaml", "tools/__init__.py", "tools/commit_message.py"):
        shutil.copy(ROOT / name, made / name)
    (made / ".venv").symlink_to(sys.prefix)
    (made / ".gitignore").write_text(".venv\n__pycache__\n")
    (made / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (made / "pipelines").mkdir()
    (made / "pipelines" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (made / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 1.2.3 - 2026-11-29\n\n### Added\n\n- A film.\n\n## 1.2.2\n\nOld.\n"
    )
    git(made, "init", "--quiet")
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message", "Begin")
    return made


def test_the_hooks_refuse_a_bad_message_and_unformatted_code_and_let_a_good_commit_through(repository: Path) -> None:
    installed = [
        sys.executable,
        "-m",
        "pre_commit",
        "install",
        "--hook-type",
        "pre-commit",
        "--hook-type",
        "commit-msg",
    ]
    subprocess.run(installed, cwd=repository, check=True, capture_output=True)
    good = ("commit", "--message", "Add a film", "--message", "Somebody asked for it.")
    (repository / "film.py").write_text("x   = 1\n")
    git(repository, "add", "--all")
    refused = git(repository, *good)
    assert (refused.returncode, "ruff format" in refused.stderr + refused.stdout) == (1, True)
    (repository / "film.py").write_text('"""A film."""\n\nx = 1\n')
    git(repository, "add", "--all")
    refused = git(repository, "commit", "--message", "Added a film")
    assert "The subject is an order" in refused.stderr + refused.stdout
    passed = git(repository, *good)
    assert passed.returncode == 0, passed.stderr + passed.stdout


def test_a_release_is_an_annotated_tag_with_the_changelogs_words(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "config", "user.name", "A")
    git(repository, "config", "user.email", "a@example.com")
    assert release.main(["1.2.3"], repository) == 0
    assert "git push origin 1.2.3" in capsys.readouterr().out
    assert git(repository, "cat-file", "-t", "1.2.3").stdout.strip() == "tag"
    said = git(repository, "for-each-ref", "refs/tags/1.2.3", "--format=%(contents)").stdout
    assert said.strip() == "Reelgrid 1.2.3\n\n### Added\n\n- A film."
    assert release.main(["1.2.3"], repository) == 1
    assert "There is a tag 1.2.3 already." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("CHANGELOG.md", "## Unreleased\n\n- A film.\n\n## 1.2.3 - 2026-11-29\n\n- Old.\n", "newest heading"),
        ("CHANGELOG.md", "## 1.2.3\n\n- A film.\n", "newest heading"),
        ("CHANGELOG.md", "## 1.2.3 - 2026-02-30\n\n- A film.\n", "newest heading"),
        ("CHANGELOG.md", "## 1.2.3 - 2026-11-29\n\n## 1.2.2 - 2026-11-28\n", "says nothing"),
        ("pyproject.toml", '[project]\nversion = "1.2.2"\n', "pyproject.toml"),
        ("pipelines/__init__.py", '__version__ = "1.2.2"\n', "__version__"),
        ("new.txt", "x", "uncommitted"),
    ],
)
def test_a_release_that_does_not_fit_is_refused_and_nothing_is_tagged(
    repository: Path, name: str, text: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / name).write_text(text)
    if word != "uncommitted":
        git(repository, "commit", "--all", "--quiet", "--message", "Change it")
    assert release.main(["1.2.3"], repository) == 1
    assert word in capsys.readouterr().out
    assert git(repository, "tag", "--list").stdout == ""


def test_the_version_of_the_project_is_the_newest_that_the_changelog_has_released() -> None:
    said, _ = release.newest((ROOT / "CHANGELOG.md").read_text("utf-8").replace("## Unreleased\n", ""))
    assert said.startswith(f"{release.version_of(ROOT)} - ")
