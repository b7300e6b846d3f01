"""Connecting a base: setup, doctor, names in other languages, renamed fields, several bases."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.airtable.schema import TABLES
from pipelines.domain.airtable.fields import STATUS_OPTIONS
from pipelines.domain.errors import AirtableDenied, NotConfigured
from pipelines.ports import Check
from tests.airtable.airtable_fixtures import BASE, MODELS, AirtableHarness, want

GERMAN = """
[tables]
Videos = "Filme"
Scenes = "Szenen"

[fields.Videos]
"Master Prompt" = "Drehbuch"
Status = "Stand"
Generate = "Los"
"Scene Count" = "Anzahl Szenen"

[fields.Scenes]
Prompt = "Bild"
"Scene Key" = "Kennung"
Video = "Film"
"""


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path) as harness:
        yield harness


def schema(harness: AirtableHarness) -> dict[str, dict[str, Any]]:
    """The base's tables by name, with their fields by name."""
    found = harness.tools.book.schema(BASE) or []
    return {table["name"]: {column["name"]: column for column in table["fields"]} for table in found}


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_setup_builds_every_table_and_field_with_types_options_and_descriptions(harness: AirtableHarness) -> None:
    report = harness.tools.setup(BASE, MODELS)
    tables = {"Videos", "Scenes", "Versions", "Brands", "Settings"}
    assert set(report.created) == {*tables, "Videos.Brand", "Settings row"}
    built = schema(harness)
    for spec in TABLES:
        for item in spec.fields:
            column = built[spec.name][item.name]
            assert column["type"] == item.type, item.name
            assert item.inverse_of or column["description"] == item.description
    status = built["Videos"]["Status"]["options"]["choices"]
    assert tuple(choice["name"] for choice in status) == STATUS_OPTIONS
    assert len({choice["color"] for choice in status}) > 6
    assert [choice["name"] for choice in built["Videos"]["Model"]["options"]["choices"]] == list(MODELS)


def test_setup_again_creates_nothing(harness: AirtableHarness) -> None:
    harness.tools.setup(BASE, MODELS)
    before = schema(harness)
    again = harness.tools.setup(BASE, MODELS)
    assert again.created == ()
    assert "Videos.Status" in again.kept
    assert schema(harness) == before
    assert len(harness.rows("Settings")) == 1


def test_setup_completes_a_base_that_somebody_began(harness: AirtableHarness) -> None:
    fields = [{"name": "Title", "type": "singleLineText"}, {"name": "Master Prompt", "type": "richText"}]
    harness.control("POST", f"bases/{BASE}/tables", {"name": "Videos", "fields": fields})
    report = harness.tools.setup(BASE, MODELS)
    assert "Videos.Status" in report.created
    assert "Videos.Master Prompt" in report.kept
    assert schema(harness)["Videos"]["Master Prompt"]["type"] == "richText", "what is there is never changed"
    assert "Scenes" in schema(harness)["Videos"], "the far end of the link is there"


def test_a_renamed_column_is_neither_built_again_nor_missed(harness: AirtableHarness) -> None:
    harness.build()
    harness.rename_field("Videos", "Master Prompt", "Idea")
    harness.control("PATCH", f"bases/{BASE}/tables/Scenes", {"name": "Shots"})
    assert harness.tools.setup(BASE, MODELS).created == ()
    checks = by_name(harness.tools.doctor(BASE))
    assert checks["table Videos"].ok
    assert checks["table Scenes"].ok


def test_setup_goes_on_where_it_broke_off(harness: AirtableHarness) -> None:
    harness.faults(drop_answers=[{"verb": "POST", "kind": "meta", "count": 1}])
    with pytest.raises(Exception, match="airtable"):
        harness.tools.setup(BASE, MODELS)
    report = harness.tools.setup(BASE, MODELS)
    assert "Videos" in report.kept
    assert set(schema(harness)) >= {"Videos", "Scenes", "Versions", "Settings"}


def test_what_no_api_can_build_comes_as_clicks_with_this_deployments_values(harness: AirtableHarness) -> None:
    report = harness.tools.setup(BASE, MODELS)
    text = "\n".join(step for item in report.by_hand for step in item.steps)
    assert '"http://127.0.0.1:8000/r/" & RECORD_ID()' in text
    assert "When a record matches conditions" in text
    assert "REELGRID_KEY" in text
    harness.add_field("Videos", "Reelgrid", "button", {"label": "Reelgrid"})
    titles = [item.title for item in harness.tools.setup(BASE, MODELS).by_hand]
    assert not any("Button to" in title for title in titles), "a base that has its button is not asked for it"


def test_ids_of_the_field_map_that_the_base_does_not_have_are_left_to_a_person(
    harness: AirtableHarness, tmp_path: Path
) -> None:
    (tmp_path / "map.toml").write_text(
        '[tables]\nVideos = "tblAAAAAAAAAAAAAA"\n[fields.Settings]\nStatus = "fldAAAAAAAAAAAAAA"'
    )
    report = harness.connect(FIELD_MAP=str(tmp_path / "map.toml")).setup(BASE, MODELS)
    titles = [item.title for item in report.by_hand]
    assert titles[:4] == ["Table Videos", "Table Scenes", "Table Versions", "Settings.Status"]
    assert "Status" not in schema(harness)["Settings"]
    assert "tblAAAAAAAAAAAAAA" in report.by_hand[0].steps[0]


def test_setup_names_the_scope_that_the_token_lacks(harness: AirtableHarness) -> None:
    harness.control(
        "POST", "tokens", {"token": "patReelgrid.few", "scopes": ["data.records:read", "schema.bases:read"]}
    )
    with pytest.raises(AirtableDenied) as refused:
        harness.connect(AIRTABLE_API_KEY="patReelgrid.few").setup(BASE, MODELS)
    assert "schema.bases:write" in refused.value.marketer


def test_the_doctor_is_content_with_what_setup_built(harness: AirtableHarness) -> None:
    harness.tools.setup(BASE, MODELS)
    harness.clock.set(time.time())
    checks = by_name(harness.tools.doctor(BASE))
    bad = {name for name, check in checks.items() if not check.ok}
    assert bad == {"media links"}, "Airtable cannot reach a loopback address"
    assert checks["media links"].warning
    assert {"token", "clock", "base", "limits", "scope webhook:manage", "table Videos", "scene keys", "webhook"} <= set(
        checks
    )


def test_every_finding_of_the_doctor_says_how_to_mend_it(harness: AirtableHarness) -> None:
    harness.tools.setup(BASE, MODELS)
    harness.delete_field("Videos", "Verdict")
    harness.delete_field("Scenes", "Attempts")
    harness.add_field("Scenes", "Attempts", "checkbox", {"icon": "check", "color": "redBright"})
    harness.delete_field("Videos", "Fit")
    harness.add_field("Videos", "Fit", "singleSelect", {"choices": [{"name": "Crop"}]})
    harness.add_field("Videos", "Page", "formula", {"formula": '"https://old.example/r/" & RECORD_ID()'})
    for _ in range(2):
        harness.add("Scenes", {"Scene Key": "twice"})
    harness.tools.limiter.quota_used_up(BASE)
    checks = by_name(harness.tools.doctor(BASE))
    assert "Verdict" in checks["table Videos"].sentence
    assert "checkbox" in checks["field Scenes.Attempts"].sentence
    assert "Blur" in checks["options Videos.Fit"].sentence
    assert "another deployment" in checks["formula Videos.Page"].sentence
    assert "quota" in checks["limits"].sentence
    assert not checks["clock"].ok, "the test's clock is years ahead"
    assert all(check.fix for check in checks.values() if not check.ok)


def test_the_doctor_finds_two_scenes_with_one_key(harness: AirtableHarness) -> None:
    harness.tools.setup(BASE, MODELS)
    for _ in range(2):
        harness.add("Scenes", {"Scene Key": "twice"})
    check = by_name(harness.tools.doctor(BASE))["scene keys"]
    assert not check.ok
    assert "twice" in check.sentence


def test_the_doctor_stops_at_a_token_that_is_not_valid(harness: AirtableHarness) -> None:
    harness.faults(revoke_token=True)
    [check] = harness.tools.doctor(BASE)
    assert (check.name, check.ok) == ("token", False)
    assert "AIRTABLE_API_KEY" in check.fix


def test_the_doctor_names_each_missing_scope_and_what_it_is_for(harness: AirtableHarness) -> None:
    harness.tools.setup(BASE, MODELS)
    harness.control("POST", "tokens", {"token": "patReelgrid.few", "scopes": ["data.records:read"]})
    checks = by_name(harness.connect(AIRTABLE_API_KEY="patReelgrid.few").doctor(BASE))
    assert checks["scope data.records:read"].ok
    assert not checks["scope data.records:write"].ok
    assert not checks["scope data.records:write"].warning
    assert checks["scope schema.bases:write"].warning
    assert checks["scope webhook:manage"].warning
    assert "schema.bases:read" in checks["base"].fix


def test_the_doctor_says_when_the_base_is_not_in_the_tokens_list(harness: AirtableHarness) -> None:
    harness.control("POST", "tokens", {"token": "patReelgrid.blind", "bases": ["appOtherBase00001"]})
    checks = by_name(harness.connect(AIRTABLE_API_KEY="patReelgrid.blind").doctor(BASE))
    assert not checks["base"].ok
    assert "Access" in checks["base"].fix


def test_a_base_in_another_language_is_built_read_and_written_by_its_own_names(tmp_path: Path) -> None:
    (tmp_path / "names.toml").write_text(GERMAN)
    with AirtableHarness(tmp_path, FIELD_MAP=str(tmp_path / "names.toml")) as harness:
        harness.tools.setup(BASE, MODELS)
        assert "Drehbuch" in schema(harness)["Filme"]
        record = harness.add("Filme", {"Drehbuch": "Eine Katze.", "Los": True, "Anzahl Szenen": 99})
        row = harness.airtable.row(BASE, "Filme", record)
        assert row.order.master_prompt == "Eine Katze."
        assert row.ticks == {"Generate"}
        assert row.problems == (("Anzahl Szenen", "must be a whole number from 1 to 50; it is 99."),)
        scene = want("s", "Scenes", {"Prompt": "Katze", "Video": [record]}, merge={"Scene Key": f"{record}-r1-01"})
        video = want("v", "Videos", {"Status": "Done", "Generate": False}, record_id=record)
        assert all(one.ok for one in harness.airtable.flush(BASE, [scene, video]))
        assert harness.cells("Filme", record)["Stand"] == "Done"
        again = harness.airtable.row(BASE, "Videos", record)
        assert [one.scene.prompt for one in harness.airtable.scenes(BASE, again)] == ["Katze"]
        assert '"Filme"' in harness.tools.script()


def test_a_renamed_column_breaks_nothing_and_costs_at_most_one_look(harness: AirtableHarness) -> None:
    harness.build()
    record = harness.add("Videos", {"Master Prompt": "A cat.", "Status": "Ready"})
    harness.airtable.row(BASE, "Videos", record)
    harness.rename_field("Videos", "Master Prompt", "Idea")
    harness.rename_field("Videos", "Status", "State")
    assert harness.airtable.row(BASE, "Videos", record).order.master_prompt == "A cat."
    harness.calls.clear()
    assert [row.record_id for row in harness.airtable.ready(BASE, 2e9)] == [record]
    assert [verb for _base, verb, _what in harness.calls] == ["read", "meta", "read"]
    harness.airtable.flush(BASE, [want("w", "Videos", {"Status": "Done"}, record_id=record)])
    assert harness.cells("Videos", record)["State"] == "Done"
    row = harness.airtable.row(BASE, "Videos", harness.add("Videos", {}))
    assert row.problems[0][0] == "Idea", "sentences use the name that people see"


def test_a_renamed_table_breaks_nothing(harness: AirtableHarness) -> None:
    harness.build()
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    harness.control("PATCH", f"bases/{BASE}/tables/Videos", {"name": "Clips"})
    assert harness.airtable.row(BASE, "Videos", record).order.master_prompt == "A cat."


def test_a_table_made_anew_is_found_after_one_refusal(harness: AirtableHarness) -> None:
    harness.build()
    harness.airtable.ready(BASE, 2e9)
    harness.control("PATCH", f"bases/{BASE}/tables/Settings", {"name": "Old settings"})
    harness.control(
        "POST",
        f"bases/{BASE}/tables",
        {"name": "Settings", "fields": [{"name": "Name", "type": "singleLineText"}, {"name": "Status", "type": "url"}]},
    )
    harness.clock.wait(4000)
    harness.add("Settings", {"Name": "new"})
    assert harness.airtable.settings(BASE).record_id == harness.rows("Settings")[0]["id"]


def test_inputs_may_be_computed_by_airtable(harness: AirtableHarness, tmp_path: Path) -> None:
    harness.build()
    link = {"linkedTableId": harness.tools.book.of(BASE).table("Videos").key}
    harness.add_field("Videos", "Script by AI", "aiText")
    harness.add_field("Videos", "Length", "duration", {"durationFormat": "h:mm:ss"})
    harness.add_field("Videos", "Budget", "singleLineText")
    harness.add_field("Videos", "Notes", "richText")
    harness.add_field("Videos", "Campaign", "multipleRecordLinks", link)
    campaign = next(column for name, column in schema(harness)["Videos"].items() if name == "Campaign")
    title = schema(harness)["Videos"]["Title"]["id"]
    looked_up = {"recordLinkFieldId": campaign["id"], "fieldIdInLinkedTable": title}
    harness.add_field("Videos", "Campaign title", "multipleLookupValues", looked_up)
    names = {
        "Master Prompt": "Script by AI",
        "Clip Seconds": "Length",
        "Max Cost": "Budget",
        "Style Notes": "Notes",
        "Title Card": "Campaign title",
    }
    (tmp_path / "map.json").write_text(json.dumps({"fields": {"Videos": names}}))
    mapped = harness.connect(FIELD_MAP=str(tmp_path / "map.json"))
    mapped.book.refresh(BASE)
    spring = harness.add("Videos", {"Title": "Spring"})
    note = 'Ask <airtable:mention id="menE1i9oBaGX3DseR">@Alexa</airtable:mention>.\n'
    record = harness.add(
        "Videos",
        {"Script by AI": "A cat.", "Length": 8, "Budget": "$4.50", "Notes": note, "Campaign": [spring]},
    )
    row = mapped.airtable.row(BASE, "Videos", record)
    assert row.problems == ()
    assert (row.order.master_prompt, row.order.clip_seconds, row.order.max_cost_micro) == ("A cat.", 8, 4_500_000)
    assert (row.order.style_notes, row.order.title_card) == ("Ask @Alexa.", "Spring")
    harness.edit("Videos", record, {"Script by AI": {"state": "loading", "value": None, "isStale": False}})
    [(field, sentence)] = mapped.airtable.row(BASE, "Videos", record).problems
    assert field == "Script by AI"
    assert "still being written" in sentence
    checks = by_name(mapped.doctor(BASE))
    assert not [name for name in checks if name.startswith("field ")], "the doctor accepts all of these types"


def test_without_the_schema_scope_names_are_used(harness: AirtableHarness) -> None:
    harness.build()
    scopes = ["data.records:read", "data.records:write"]
    harness.control("POST", "tokens", {"token": "patReelgrid.run", "scopes": scopes})
    plain = harness.connect(AIRTABLE_API_KEY="patReelgrid.run")
    plain.book.refresh(BASE)
    record = harness.add("Videos", {"Master Prompt": "A cat."})
    assert plain.airtable.row(BASE, "Videos", record).order.master_prompt == "A cat."
    harness.delete_field("Videos", "Verdict")
    [written] = plain.airtable.flush(
        BASE, [want("w", "Videos", {"Status": "Done", "Verdict": "fine"}, record_id=record)]
    )
    assert written.ok
    assert written.sent == {"Status": "Done"}
    assert plain.airtable.settings(BASE).record_id is not None


def test_ids_in_the_field_map_need_the_schema_scope_and_say_so(harness: AirtableHarness, tmp_path: Path) -> None:
    harness.build()
    column = schema(harness)["Videos"]["Title"]["id"]
    (tmp_path / "ids.json").write_text(json.dumps({"fields": {"Videos": {"Master Prompt": column}}}))
    mapped = harness.connect(FIELD_MAP=str(tmp_path / "ids.json"))
    mapped.book.refresh(BASE)
    record = harness.add("Videos", {"Title": "A cat."})
    assert mapped.airtable.row(BASE, "Videos", record).order.master_prompt == "A cat."
    harness.control("POST", "tokens", {"token": "patReelgrid.run", "scopes": ["data.records:read"]})
    blind = harness.connect(FIELD_MAP=str(tmp_path / "ids.json"), AIRTABLE_API_KEY="patReelgrid.run")
    with pytest.raises(AirtableDenied, match=r"schema\.bases:read"):
        blind.book.refresh(BASE)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[tables]\nVideoz = 'x'", "Videoz"),
        ("[fields.Videos]\nPromt = 'x'", "Promt"),
        ("[fields]\nClips = {}", "Clips"),
        ("[fields.Videos]\nPrompt = 3", "Prompt"),
        ("columns = 1", "columns"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_field_map_that_cannot_be_right_is_refused_by_name(
    harness: AirtableHarness, tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(NotConfigured, match=named):
        harness.connect(FIELD_MAP=str(tmp_path / "map.toml"))


def test_bases_have_their_own_tokens_sealed_at_rest(harness: AirtableHarness) -> None:
    other = "appOtherBase00001"
    harness.control("POST", "bases", {"id": other, "name": "Other"})
    harness.control("POST", "tokens", {"token": "patOther.secret", "bases": [other]})
    bases = harness.tools.bases
    bases.connect(other, token="patOther.secret", name="Other", day_cap_micro=5_000_000)
    harness.tools.setup(other, MODELS)
    assert {base.id for base in bases.all()} == {BASE, other}
    with harness.store.read() as tx:
        row = tx.bases.get(other)
    assert row is not None
    assert "patOther" not in (row.sealed_token or "")
    assert row.day_cap_micro == 5_000_000
    bases.connect(other, name="Renamed")
    assert bases.token(other) == "patOther.secret", "changing the name keeps the token"
    assert {base.id for base in bases.all()} == {BASE, other}
    with pytest.raises(NotConfigured, match="base id"):
        bases.connect("base1")
    bases.disconnect(other)
    assert {base.id for base in bases.all()} == {BASE}


def test_a_base_without_any_token_says_which_setting_is_missing(harness: AirtableHarness) -> None:
    with pytest.raises(NotConfigured, match="AIRTABLE_API_KEY"):
        harness.connect(AIRTABLE_API_KEY="").airtable.ready(BASE, 0)
