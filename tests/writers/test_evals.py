"""The harness for prompts: recorded answers pass, a seeded bad prompt does not, and asking a model says its price."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import Result

from pipelines.settings import load_settings
from pipelines.writers.evals.briefs import FAMILIES, LANGUAGES, RECORDED, Family, briefs, family_of, load
from pipelines.writers.evals.checks import CHECKS, checks_of
from pipelines.writers.evals.compare import failing
from pipelines.writers.gpt.questions import CAST, EXPAND, FIND, POST
from tests.writers.played_server import Server
from webapp.cli import create_app

BAD = "seeded-bad"


def flask(var: Path, *arguments: str, **environ: str) -> Result:
    settings = load_settings({"VAR_DIR": str(var / "var"), **environ}, var)
    return create_app(settings=settings).test_cli_runner().invoke(args=["writers", *arguments])


def test_there_are_twenty_briefs_in_five_languages() -> None:
    assert len({one.name for one in briefs()}) >= 20
    assert {one.language for one in briefs()} == set(LANGUAGES)
    assert len(briefs()) == len({one.name for one in briefs()}) * 5


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_wording_in_use_passes_every_check_on_every_brief(family: Family) -> None:
    """And was not changed since: a changed file needs answers, and a table, of its own."""
    recording, checks = load(RECORDED, family.in_use), checks_of(family)
    assert recording.is_current
    assert {check.name: failing(check, recording) for check in checks if failing(check, recording)} == {}


@pytest.mark.parametrize("bad", [BAD, f"{BAD}-cast", f"{BAD}-post", f"{BAD}-find"])
def test_every_brief_and_every_check_finds_the_seeded_bad_prompt(bad: str) -> None:
    recording = load(RECORDED, bad)
    assert recording.is_current
    found = {check.name: set(failing(check, recording)) for check in checks_of(family_of(bad))}
    assert [name for name, keys in found.items() if not keys] == []
    assert {one.key for one in briefs()} == set().union(*found.values())


def test_the_table_says_old_against_new_and_ends_with_one(tmp_path: Path) -> None:
    same = flask(tmp_path, "eval")
    assert (same.exit_code, "WORSE" in same.output) == (0, False), same.output
    assert all(f"{prompt} {load(RECORDED, prompt).by};" in same.output for prompt in (EXPAND, CAST, POST, FIND))
    assert flask(tmp_path, "eval", f"{BAD}-cast").exit_code == 1
    assert "different prompt files" in flask(tmp_path, "eval", CAST, "--against", EXPAND).output
    worse = flask(tmp_path, "eval", BAD)
    assert worse.exit_code == 1
    assert worse.output.count("WORSE") == len(CHECKS)
    assert f"expand-v1 {load(RECORDED, EXPAND).by}; seeded-bad" in worse.output
    document = json.loads(flask(tmp_path, "eval", EXPAND, "--against", BAD, "--json").output)
    assert (document["ok"], document["briefs"]) == (True, 100)
    assert {row["check"] for row in document["rows"]} == {check.name for check in CHECKS}


def test_answers_to_another_wording_are_not_compared(tmp_path: Path) -> None:
    for name in (EXPAND, BAD):
        shutil.copy(RECORDED / f"{name}.json", tmp_path)
    stale = json.loads((tmp_path / f"{BAD}.json").read_text("utf-8"))
    (tmp_path / f"{BAD}.json").write_text(json.dumps({**stale, "prompt_digest": "0" * 64}), "utf-8")
    told = flask(tmp_path, "eval", BAD, "--folder", str(tmp_path))
    assert told.exit_code == 1
    assert "was changed after its answers were recorded" in told.output
    assert "no answers of" in flask(tmp_path, "eval", "soften-v1").output


def test_without_a_key_nobody_is_asked(tmp_path: Path) -> None:
    told = flask(tmp_path, "record", EXPAND, "--yes")
    assert told.exit_code == 1
    assert "OPENAI_API_KEY is not set" in told.output


def test_with_a_key_the_price_is_said_first_and_no_answer_is_bought_twice(tmp_path: Path) -> None:
    """A server that fails at the second question: the first answer is kept, and not asked for again."""
    whole = json.loads((RECORDED / f"{BAD}.json").read_text("utf-8"))
    missing = [one.key for one in briefs()[:2]]
    begun = {key: answer for key, answer in whole["answers"].items() if key not in missing}
    (tmp_path / f"{BAD}.json").write_text(json.dumps({**whole, "answers": begun}), "utf-8")
    with Server() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url}
        command = ("record", BAD, "--folder", str(tmp_path))
        declined = flask(tmp_path, *command, **place)
        assert (declined.exit_code, server.asked) == (1, [])
        assert "2 answers of gpt-6-luna, at most $" in declined.output
        first, second = (_answer(whole["answers"][key]) for key in missing)
        server.exchanges = [first, {**second, "status": 500, "body": {"error": {"message": "down"}}}]
        stopped = flask(tmp_path, *command, "--yes", **place)
        assert (stopped.exit_code, len(server.asked)) == (1, 2), stopped.output
        assert "Stopped; spent until then: $" in stopped.output
        kept = load(tmp_path, BAD)
        assert len(kept.answers) == 99
        assert kept.by.startswith("gpt-6-luna, ")
        server.exchanges = [second]
        done = flask(tmp_path, *command, "--yes", **place)
        assert (done.exit_code, len(server.asked)) == (0, 3), done.output
        assert load(tmp_path, BAD).answers == load(RECORDED, BAD).answers
        server.shutdown()


def _answer(script: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "output_text", "text": json.dumps(script)}]
    body = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": content}],
        "usage": {"input_tokens": 700, "output_tokens": 300},
    }
    return {"path": "/v1/responses", "status": 200, "headers": {}, "body": body}
