"""The command line, as an operator types it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click import Command, Group
from click.testing import Result

from pipelines.bootstrap import Lettering
from pipelines.domain.lifecycle import RunStatus
from pipelines.domain.money import Account, Posting
from pipelines.domain.orders.order import Order
from pipelines.domain.records import LedgerEntry, Run
from pipelines.stages.files import keep
from tests.web.web_fixtures import BASE, OUTSIDE, RECORD, WebHarness
from webapp.api.orders import MasterPromptOrder
from webapp.commands.checkup.doctor import captions

GROUPS = ("airtable", "doctor", "video", "keys", "runs", "ledger", "storage", "models", "stop", "bases")


def flask(harness: WebHarness, *words: str, stdin: str | None = None) -> Result:
    return harness.app.test_cli_runner().invoke(args=list(words), input=stdin)


def told(harness: WebHarness, *words: str, stdin: str | None = None) -> Any:
    """What a command prints with --json."""
    done = flask(harness, *words, "--json", stdin=stdin)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def post_one_side(harness: WebHarness) -> None:
    """What no code of ours does: money that comes from nowhere."""
    with harness.store.write() as tx:
        tx.runs.add(Run(id="run_x", status=RunStatus.DONE, source="rest"))
        entry = LedgerEntry(
            at=1.0,
            day="2026-11-20",
            posting_id="m",
            posting=Posting.HOLD,
            account=Account.HELD,
            amount=5,
            run_id="run_x",
        )
        tx.ledger.add(entry)


def test_a_key_made_here_opens_the_api_and_a_revoked_one_does_not(harness: WebHarness) -> None:
    """The key is shown once; the list holds no secret."""
    made = told(harness, "keys", "create", "automation")
    header = {"Authorization": f"Bearer {made['key']}"}
    assert harness.client.get("/api/runs", headers=header).status_code == 200
    assert harness.client.post("/api/stop", json={"on": True}, headers=header).status_code == 403
    listed = flask(harness, "keys", "list", "--json").stdout
    assert json.loads(listed)[0]["name"] == "automation"
    assert made["key"].rsplit("_", 1)[-1] not in listed
    told(harness, "keys", "revoke", made["id"])
    assert harness.client.get("/api/runs", headers=header).status_code == 401
    assert flask(harness, "keys", "revoke", made["id"]).exit_code == 1


def test_the_link_of_a_row_is_made_for_the_base_that_is_meant(harness: WebHarness) -> None:
    """Where the same id is a row of two bases, the operator says which."""
    harness.put(Run(id="run_n", status=RunStatus.DONE, source="record", base_id="appNorth000000001", record_id=RECORD))
    path = told(harness, "runs", "link", RECORD)["url"].removeprefix(OUTSIDE["PUBLIC_URL"])
    assert harness.client.get(path).status_code == 200
    assert harness.client.get(f"{path}&base_id={BASE}").status_code == 403
    harness.put(Run(id="run_o", status=RunStatus.DONE, source="record", base_id=BASE, record_id=RECORD))
    refused = flask(harness, "runs", "link", RECORD)
    assert refused.exit_code == 1
    assert f"has runs in appNorth000000001 and {BASE}: name one with --base" in refused.output.replace("\n", " ")
    path = told(harness, "runs", "link", RECORD, "--base", BASE)["url"].removeprefix(OUTSIDE["PUBLIC_URL"])
    assert harness.client.get(path).status_code == 200


def test_a_run_is_listed_shown_approved_cancelled_and_retried(harness: WebHarness) -> None:
    """A refusal is one sentence and exit code 1."""
    harness.put(
        Run(id="run_p", status=RunStatus.NEEDS_APPROVAL, source="rest", approval="asked", order=Order(title="Fox"))
    )
    assert [run["run_id"] for run in told(harness, "runs", "list", "--status", "needs_approval")] == ["run_p"]
    assert "Fox" in flask(harness, "runs", "list").output
    refused = flask(harness, "runs", "retry", "run_p")
    assert refused.exit_code == 1
    assert "Only a run that stopped" in refused.output
    assert told(harness, "runs", "approve", "run_p")["approval"] == "given"
    assert told(harness, "runs", "cancel", "run_p")["status"] == "cancelled"
    assert told(harness, "runs", "retry", "run_p")["status"] == "queued"
    assert "Traceback" not in flask(harness, "runs", "show", "run_unknown").output


def test_links_are_handed_out_and_revoked(harness: WebHarness) -> None:
    """A revoked film answers 410."""
    cut = harness.finished(record_id=RECORD, base_id=BASE)
    for subject in ("run_finished", RECORD):
        url = told(harness, "runs", "link", subject)["url"].removeprefix(OUTSIDE["PUBLIC_URL"])
        assert harness.client.get(url).status_code == 200
    assert told(harness, "runs", "revoke", "run_finished")["revoked"] == [cut.id]
    assert harness.client.get(f"/v/{cut.token}").status_code == 410


def test_the_audit_fails_when_the_books_do_not_balance(harness: WebHarness) -> None:
    """So that a monitor notices."""
    assert told(harness, "ledger", "audit")["balanced"] is True
    post_one_side(harness)
    done = flask(harness, "ledger", "audit")
    assert done.exit_code == 1
    assert told(harness, "ledger", "show", "--by", "day", "--by", "model")["rows"] == []


def test_the_storage_check_misses_a_lost_file(harness: WebHarness) -> None:
    """Exit code 1, and which."""
    cut = harness.finished()
    assert told(harness, "storage", "check")["files"] == 1
    assert cut.key
    harness.services.media.delete(cut.key)
    done = flask(harness, "storage", "check")
    assert done.exit_code == 1
    assert cut.key in done.output
    assert told(harness, "storage", "sweep") == {"deleted": 0}


def test_the_stop_switch_is_turned_from_the_command_line(harness: WebHarness) -> None:
    """And everybody sees why."""
    assert told(harness, "stop", "on", "--reason", "Too dear")["reason"] == "Too dear"
    assert harness.get("/api/stop").json["on"] is True
    assert "Too dear" in flask(harness, "stop", "status").output
    assert told(harness, "stop", "off")["on"] is False


def test_the_models_are_listed(harness: WebHarness) -> None:
    """With what they can do and cost."""
    assert "local/animatic" in flask(harness, "models", "list").output
    assert any(model["default"] for model in told(harness, "models", "list")["models"])


def test_a_base_is_connected_with_a_token_nobody_sees_again(harness: WebHarness) -> None:
    """And forgotten on request."""
    other = "appA1b2C3d4E5f6G7"
    told(harness, "bases", "add", other, "--token", "-", "--day-budget", "5", stdin="patSecret.token\n")
    listed = flask(harness, "bases", "list", "--json").stdout
    assert other in listed
    assert "patSecret" not in listed
    assert harness.post("/api/process-record", {"record_id": RECORD, "base_id": other}).status_code == 202
    told(harness, "bases", "remove", other)
    assert flask(harness, "bases", "remove", other).exit_code == 1
    assert flask(harness, "bases", "add", "nonsense").exit_code == 1


@pytest.mark.slow
def test_a_base_is_built_and_checked(airtable: WebHarness) -> None:
    """Setup, then doctor, then the script."""
    sick = flask(airtable, "airtable", "doctor")
    assert sick.exit_code == 1
    report = told(airtable, "airtable", "setup", "--no-push")
    assert "Videos" in report["created"]
    again = told(airtable, "airtable", "setup", "--no-push")
    assert again["created"] == []
    assert "process-record" in told(airtable, "airtable", "script")["script"]
    checks = json.loads(flask(airtable, "airtable", "doctor", "--json").stdout)
    assert {"name", "ok", "sentence", "fix", "warning"} <= set(checks[0])


def test_the_doctor_tells_how_to_mend_what_is_wrong(harness: WebHarness) -> None:
    """One outage hides no other finding."""
    done = flask(harness, "doctor", "--json")
    assert done.exit_code == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["database"]["ok"]
    assert checks["storage"]["ok"]
    assert checks["worker"]["warning"]
    assert any(not check["ok"] and check["fix"] for name, check in checks.items() if name.startswith("airtable"))
    assert "→" in flask(harness, "doctor").output


def test_the_doctor_names_every_script_that_captions_may_be_in_or_how_to_get_it(harness: WebHarness) -> None:
    """Latin and Cyrillic come with the product; the rest depends on the machine's fonts."""
    checks = {check["name"]: check for check in json.loads(flask(harness, "doctor", "--json").stdout)}
    here = checks["captions"]["sentence"]
    assert "Latin, Cyrillic" in here
    for script in ("Arabic", "Hebrew", "Devanagari", "CJK", "Emoji"):
        missing = checks.get(f"captions in {script}")
        assert (script in here) is (missing is None)
        assert missing is None or missing["fix"].startswith("apt-get install fonts-noto-")


@pytest.mark.parametrize(
    ("script", "shaping", "fix"),
    [
        ("CJK", True, "apt-get install fonts-noto-cjk"),
        ("Emoji", True, "apt-get install fonts-noto-color-emoji"),
        ("Arabic", True, "apt-get install fonts-noto-core"),
        ("Arabic", False, "apt-get install fonts-noto-core libfribidi0"),
    ],
)
def test_what_mends_a_script_that_a_machine_cannot_set_is_named(script: str, shaping: bool, fix: str) -> None:
    """It is a warning: films in other scripts are made all the same."""
    good, bad = captions(Lettering({"Latin": True, script: False}, shaping))
    assert good["sentence"] == "this machine can set Latin"
    assert (bad["name"], bad["ok"], bad["warning"], bad["fix"]) == (f"captions in {script}", False, True, fix)


def test_every_command_explains_itself_and_speaks_json(harness: WebHarness) -> None:
    """`--help` for people, `--json` for programs."""
    for group in GROUPS:
        for name, command in leaves(group, harness.app.cli.commands[group]):
            assert "--json" in [word for option in command.params for word in option.opts], name
            assert command.help, name


def leaves(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    """The commands that do something, below any groups."""
    if not isinstance(command, Group):
        yield name, command
        return
    for part, below in command.commands.items():
        yield from leaves(f"{name} {part}", below)


def test_a_film_is_made_from_a_prompt_right_here(home: WebHarness, tmp_path: Path) -> None:
    """No Airtable, no web, no worker."""
    out = tmp_path / "out" / "film.mp4"
    words = ("video", "make", "A fox at dawn", "--out", str(out), "--scenes", "2", "--seconds", "1")
    assert told(home, *words, "--dry-run")["quote_usd"] == 0
    assert not out.exists()
    document = told(home, *words, "--resolution", "480p", "--music", "local/calm")
    assert document["status"] == "done"
    with home.store.read() as tx:
        assert [run.known_order.music_mood for run in tx.runs.find()] == ["Calm"]
    assert out.read_bytes()[4:8] == b"ftyp"
    assert home.services.editor.probe(out).duration_s == pytest.approx(2.0, abs=0.1)
    wrong = flask(home, "video", "make", "x", "--scenes", "0", "--model", "nonsense")
    assert wrong.exit_code == 1
    assert "scene_count" in wrong.output
    assert "model" in wrong.output


def test_everything_that_an_order_says_has_an_option(home: WebHarness) -> None:
    """But what only a program says, which is told when its film is done."""
    group = home.app.cli.commands["video"]
    assert isinstance(group, Group)
    options = {param.name for param in group.commands["make"].params} - {"prompt", "out", "json_"}
    assert options == set(MasterPromptOrder.model_fields) - {"master_prompt", "custom_id", "metadata", "webhook_url"}


def test_a_brand_more_shapes_and_a_pack_are_had_at_a_terminal(home: WebHarness, tmp_path: Path) -> None:
    out, brand = tmp_path / "out" / "film.mp4", tmp_path / "lumen.json"
    brand.write_text('{"name": "Lumen", "caption_style": "Sidecar", "outro": "Lumen"}')
    short = ("--scenes", "1", "--seconds", "1", "--resolution", "480p", "--format", "9:16", "--pack", "TikTok")
    words = ("video", "make", "A lamp at dusk", "--out", str(out), "--title", "Lamp", "--end-card", "Now", *short)
    document = told(home, *words, "--brand", str(brand))
    assert {path.name for path in out.parent.iterdir()} == {"film.mp4", "film-9x16.mp4", "film-pack.zip"}
    with zipfile.ZipFile(document["pack"]) as pack:
        assert pack.testzip() is None
        (upright,) = [name for name in pack.namelist() if name.startswith("TikTok/") and name.endswith(".mp4")]
        assert pack.read(upright) == out.with_name("film-9x16.mp4").read_bytes()
        assert "TikTok/post.txt" in pack.namelist()
    assert document["pack_url"]
    with home.store.read() as tx:
        (order,) = [run.known_order for run in tx.runs.find()]
    # What is said goes before what the brand lends.
    assert (order.brand and order.brand.name, order.captions, order.end_card) == ("Lumen", "Sidecar", "Now")


@pytest.mark.parametrize(
    ("brand", "said"),
    [("missing.json", "is no JSON file that can be read"), ("lumen", "brand.record_id must be a record id")],
)
def test_a_brand_that_is_not_there_is_said_before_anything_is_made(home: WebHarness, brand: str, said: str) -> None:
    done = flask(home, "video", "make", "A lamp", "--brand", brand)
    assert done.exit_code == 1
    assert said in done.output
    with home.store.read() as tx:
        assert tx.runs.find() == []


@pytest.mark.parametrize(
    ("alone", "command"),
    [
        ("models", "list"),
        ("ledger", "audit"),
        ("runs", "list"),
        ("keys", "list"),
        ("storage", "check"),
        ("stop", "status"),
        ("bases", "list"),
    ],
)
def test_a_group_named_alone_looks(harness: WebHarness, alone: str, command: str) -> None:
    """With its options; it changes nothing."""
    harness.finished()
    assert flask(harness, alone).output == flask(harness, alone, command).output
    assert json.loads(flask(harness, alone, "--json").stdout) == json.loads(
        flask(harness, alone, command, "--json").stdout
    )
    assert "Usage:" in flask(harness, alone, "--help").output


def test_the_books_alone_fail_as_their_audit_does(harness: WebHarness) -> None:
    """For whoever runs `flask ledger` from a timer."""
    post_one_side(harness)
    assert flask(harness, "ledger").exit_code == 1


@pytest.mark.parametrize("day", ["2026-99-99", "2026-02-30", "yesterday"])
def test_spend_is_not_shown_from_a_day_that_does_not_exist(harness: WebHarness, day: str) -> None:
    """`Nothing was spent` would be a lie."""
    assert flask(harness, "ledger", "show", "--since", day).exit_code == 2


def test_what_is_not_there_is_said_in_a_sentence(harness: WebHarness) -> None:
    """As on the pages."""
    assert "There is no run run_unknown." in flask(harness, "runs", "show", "run_unknown").output


@pytest.mark.parametrize("amount", ["NaN", "-5", "1e99", "much"])
@pytest.mark.parametrize("words", [("keys", "create", "bob", "--day-cap"), ("bases", "add", BASE, "--day-budget")])
def test_what_is_no_amount_of_money_is_refused_in_a_sentence(
    harness: WebHarness, words: tuple[str, ...], amount: str
) -> None:
    """Neither a traceback nor a key that can never spend."""
    done = flask(harness, *words, amount)
    assert done.exit_code == 2
    assert "must be an amount of dollars, 0 or more" in done.output
    assert told(harness, "keys", "list") == []


def test_no_link_is_made_or_revoked_for_a_run_that_is_not_there(harness: WebHarness) -> None:
    """A mistyped id is noticed."""
    for command in ("link", "revoke"):
        done = flask(harness, "runs", command, "run_unknown")
        assert (done.exit_code, "There is no run run_unknown." in done.output) == (1, True)


def test_storage_tells_what_it_holds_and_what_belongs_to_nothing(harness: WebHarness) -> None:
    def told(*words: str) -> dict[str, Any]:
        return dict(json.loads(flask(harness, "storage", *words, "--json").stdout))

    path = harness.folder / "left.mp4"
    path.write_bytes(b"x" * 2048)
    left = harness.services.media.put_file(path, "clips/aa/left.mp4", "video/mp4")
    harness.services.media.put_file(path, "clips/bb/other.mp4", "video/mp4")
    with harness.store.write() as tx:
        keep.note(tx, None, left, harness.clock.now())
    expected = {"bytes": 2048, "limit_bytes": None, "warning": None}
    assert told("usage") == {**expected, "rows": [{"kind": "clip", "files": 1, "bytes": 2048}]}
    assert "clip" in flask(harness, "storage", "usage", "--by", "kind", "--by", "base").stdout
    assert told("orphans")["young"] == 2
    harness.clock.shift += 2 * 86_400
    found = told("orphans")
    assert (found["unused"], found["unknown"]) == (["clips/aa/left.mp4"], ["clips/bb/other.mp4"])
    assert "Nothing was deleted" in flask(harness, "storage", "orphans").stdout
    assert told("orphans", "--delete")["deleted"] == 2
    assert told("usage")["bytes"] == 0
    assert flask(harness, "storage", "orphans").stdout == "Everything belongs together.\n"


def test_what_is_no_address_of_a_database_is_named_as_a_wrong_option(harness: WebHarness) -> None:
    """Without a traceback, and before anything is read."""
    path = harness.folder / "saved.db"
    path.write_bytes(b"whatever")
    done = flask(harness, "db", "restore", str(path), "--into", "nonsense")
    assert done.exit_code == 2
    assert "--into" in done.output
    assert "postgresql://" in done.output


def test_a_film_that_waits_for_approval_is_made_when_it_is_given_at_the_terminal(tmp_path: Path) -> None:
    with WebHarness(tmp_path, {"APPROVAL": "always"}) as harness:
        words = ("video", "make", "A fox", "--out", str(tmp_path / "f.mp4"), "--scenes", "1", "--seconds", "1")
        done = flask(harness, *words, "--resolution", "480p", stdin="y\n")
        assert done.exit_code == 0, done.output
        assert (tmp_path / "f.mp4").is_file()
