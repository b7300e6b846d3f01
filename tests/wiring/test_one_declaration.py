"""A new input is declared once: the row, the API, the base, the sentences and the documents know it from there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ORDER = "pipelines/domain/orders/order.py"
BEFORE = "    allow_rewrite: bool = given("
DECLARED = """\
    grain: float | None = given(
        "Film Grain", Number(0, 9), "How much grain, 0 to 9.", api=Api("Grain of the film.", clip=True)
    )
"""
SCENE_BEFORE = "    model: str | None = given("
SCENE_DECLARED = """\
    mood: str | None = given("Mood", Text(80), "How the scene feels.")
"""
LOOK = """\
import json
from pipelines.airtable.rows.fields import airtable_scene, row_to_order
from pipelines.airtable.schema import table
from pipelines.airtable.webhooks import WATCHED
from pipelines.domain.errors import Problem
from pipelines.domain.orders.field_labels import for_row
from tools.docs.airtable import page
from webapp.api import openapi
from webapp.api.orders import ClipOrder, MasterPromptOrder
from webapp.commands.video import make

film = {"master_prompt": "A fox", "grain": 4.0}
schemas = openapi.description("https://reelgrid.example")["components"]["schemas"]
found = {
    "row": row_to_order({"Master Prompt": "A fox", "Film Grain": "3,5"})[0].grain,
    "complaint": [str(p.field + " " + p.message) for p in row_to_order({"Prompt": "A fox", "Film Grain": 12})[1]],
    "scene": airtable_scene("recAAAAAAAAAAAAAA", {"Prompt": "A fox", "Mood": " calm "}).scene.mood,
    "column": [(item.type, item.options, item.description) for item in [table("Videos").field("Film Grain")]],
    "scene column": table("Scenes").field("Mood").type,
    "watched": "Mood" in WATCHED["Scenes"],
    "body": MasterPromptOrder.model_validate(film).order().grain,
    "clip": ClipOrder.model_validate({"prompt": "A fox", "grain": 1.0}).order().grain,
    "schema": schemas["MasterPromptOrder"]["properties"]["grain"],
    "option": [(param.opts, param.type.name, param.help) for param in make.params if param.name == "grain"],
    "sentence": [problem.field for problem in for_row([Problem("grain", ""), Problem("scenes[1].mood", "")])],
    "documents": [line for line in page().splitlines() if "Film Grain" in line or "`Mood`" in line],
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the product says, in which nothing but one module has another line."""
    copy = tmp_path_factory.mktemp("copy")
    for room in ("pipelines", "webapp", "tools"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    text = (copy / ORDER).read_text("utf-8")
    for place, line in ((BEFORE, DECLARED), (SCENE_BEFORE, SCENE_DECLARED)):
        assert place in text
        text = text.replace(place, line + place, 1)
    (copy / ORDER).write_text(text, "utf-8")
    run = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=copy,
        env={"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def test_the_base_has_its_column(found: dict[str, Any]) -> None:
    assert found["column"] == [["number", {"precision": 1}, "How much grain, 0 to 9."]]
    assert found["scene column"] == "singleLineText"
    assert found["watched"] is True


def test_a_cell_is_read_with_its_limits(found: dict[str, Any]) -> None:
    assert found["row"] == 3.5
    assert found["complaint"] == ["Film Grain must be a number from 0 to 9; it is 12."]
    assert found["scene"] == "calm"


def test_a_request_takes_it_with_the_same_limits(found: dict[str, Any]) -> None:
    assert (found["body"], found["clip"]) == (4.0, 1.0)
    schema = found["schema"]
    assert schema["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 9}
    assert schema["description"] == "Grain of the film."


def test_the_command_line_has_an_option_for_it(found: dict[str, Any]) -> None:
    assert found["option"] == [[["--grain"], "float", "Grain of the film."]]


def test_sentences_and_documents_call_it_by_its_name(found: dict[str, Any]) -> None:
    assert found["sentence"] == ["Film Grain", "Scene 2 Mood"]
    assert found["documents"] == [
        "| `Film Grain` | ✎ | number | How much grain, 0 to 9. |",
        "| `Mood` | ✎ | singleLineText | How the scene feels. |",
    ]
