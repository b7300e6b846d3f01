"""The figures of the house count what they say they count."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.figures import any_mappings, any_names, checked_out, figures, keyed_gets, modules_of, rooms_of, single_use


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_circle_is_found_through_what_a_package_passes_on(tmp_path: Path) -> None:
    made = tree(
        tmp_path,
        {
            "pipelines/__init__.py": "",
            "pipelines/ports/__init__.py": "from pipelines.ports.video import Video\n",
            "pipelines/ports/video.py": "from pipelines.ports.names import NAME\nclass Video: ...\n",
            "pipelines/ports/names.py": "from pipelines.ports import Video\nNAME = 1\n",
            "pipelines/ports/top.py": "import pipelines.ports.video\n",
        },
    )
    room = rooms_of(modules_of(made))["pipelines.ports"]
    assert (room.children, room.arrows, room.floors, room.circles) == (3, 3, 2, (("names", "video"),))


def test_imports_between_sub_rooms_are_arrows_of_the_room_above(tmp_path: Path) -> None:
    made = tree(
        tmp_path,
        {
            "worker/__init__.py": "",
            "worker/a/__init__.py": "",
            "worker/a/x.py": "from worker.b.y import z\nfrom worker.b import y\n",
            "worker/b/__init__.py": "",
            "worker/b/y.py": "z = 1\n",
        },
    )
    assert (rooms_of(modules_of(made))["worker"].arrows, rooms_of(modules_of(made))["worker"].floors) == (1, 2)


def test_untyped_values_and_helpers_used_once_are_counted(tmp_path: Path) -> None:
    source = (
        "from typing import Any\n"
        "def _once(x: dict[str, Any]) -> Any:\n    return x.get('key')\n"
        "def _twice(name: str) -> int:\n    return {}.get(name, 1)\n"
        "def whole() -> int:\n    return _once({}) + _twice('a') + _twice('b')\n"
    )
    (module,) = modules_of(tree(tmp_path, {"pipelines/domain/records.py": source}))
    assert (any_names(module), any_mappings(module), keyed_gets(module)) == (2, 1, 1)
    assert [helper.name for helper in single_use([module])] == ["_once"]


def test_another_commit_is_measured_as_it_was_and_leaves_nothing_behind(tmp_path: Path) -> None:
    repository = tree(tmp_path / "repository", {"worker/one.py": "def f():\n    return 1\n"})
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "--quiet"], ["add", "-A"], ["commit", "--quiet", "--message", "First"]):
        subprocess.run([*git, *command], check=True)
    tree(repository, {"worker/one.py": "def f():\n    a = 1\n    return a\n"})
    with checked_out("HEAD", repository) as before:
        assert figures(before)["function lines: median / p90 / max"] == "2 / 2 / 2"
    assert figures(repository)["function lines: median / p90 / max"] == "3 / 3 / 3"
    assert not before.exists()
    listed = subprocess.run([*git, "worktree", "list"], check=True, capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 1
