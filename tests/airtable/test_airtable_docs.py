"""The base as code, the names stages use, and the page people read are the same."""

from __future__ import annotations

from pipelines.airtable.schema import TABLES, create_options, own_fields
from pipelines.domain.airtable.fields import (
    AirtableTable,
    BrandField,
    SceneField,
    SettingsField,
    VersionField,
    VideoField,
)
from pipelines.domain.airtable.values import (
    SceneFacts,
    attachments,
    scene_fields,
    settings_fields,
    shorten,
    version_fields,
    video_fields,
)
from pipelines.domain.lifecycle import AIRTABLE_STATUS, RunStatus, SceneStatus
from pipelines.domain.orders.brand import Brand
from pipelines.domain.orders.inputs import inputs_of
from pipelines.domain.orders.order import Order, SceneOrder
from pipelines.domain.records import Run, Scene
from pipelines.domain.times import iso

NAMES = {
    AirtableTable.VIDEOS: [*VideoField, *(item.label for item in inputs_of(Order))],
    AirtableTable.SCENES: [*SceneField, *(item.label for item in inputs_of(SceneOrder))],
    AirtableTable.VERSIONS: [*VersionField],
    AirtableTable.BRANDS: [*BrandField, *(item.label for item in inputs_of(Brand))],
    AirtableTable.SETTINGS: [*SettingsField],
}


def test_every_name_is_in_the_schema_once_and_described() -> None:
    for spec in TABLES:
        names = [str(item.name) for item in spec.fields]
        assert sorted(names) == sorted(set(names)) == sorted(str(name) for name in NAMES[AirtableTable(spec.name)])
        assert all(item.description.endswith(".") for item in spec.fields)
        assert spec.fields[0].type == "singleLineText", "the first field is the primary one"


def test_every_field_can_be_created_and_accepts_its_own_type() -> None:
    ids = {spec.name: f"tbl{spec.name}" for spec in TABLES}
    for spec in TABLES:
        for item in own_fields(spec):
            assert item.type in item.accepted
            options = create_options(item, ["sora/sora-2"], ids)
            needs_options = item.type not in {"singleLineText", "multilineText", "url", "multipleAttachments"}
            assert bool(options) == needs_options, item.name


def test_a_run_says_everything_about_itself_in_its_row() -> None:
    run = Run(
        id="run_1", status=RunStatus.GENERATING, source="record", number=2, detail="x" * 5000, quote_micro=1_230_000,
        started_at=1_800_000_000.0,
    )  # fmt: skip
    fields = video_fields(run, now=1_800_000_001.5, progress=1.7, cost_micro=450_000, page_url="https://x/r/rec")
    assert fields["Status"] == "Generating"
    assert (fields["Progress"], fields["Run"], fields["Estimated Cost"], fields["Actual Cost"]) == (1.0, 2, 1.23, 0.45)
    assert len(str(fields["Status Detail"])) == 2000
    assert (fields["Error"], fields["Finished At"]) == (None, None)
    assert (fields["Started At"], fields["Last Update"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.500Z")


def test_every_status_of_a_run_is_an_option_of_the_field() -> None:
    status = TABLES[0].field(VideoField.STATUS)
    assert status is not None
    assert set(AIRTABLE_STATUS.values()) < set(status.choices)


def test_a_scene_of_ours_is_linked_and_one_of_a_person_is_left_alone() -> None:
    scene = Scene(id="s", run_id="run_1", number=1, key="rec-r1-01", prompt="A cat.", status=SceneStatus.DONE)
    ours = scene_fields(scene, SceneFacts(now=0.0, attempts=1, cost_micro=100_000), record_id="rec")
    assert (ours["Video"], ours["Scene Key"], ours["Status"], ours["Cost"]) == (["rec"], "rec-r1-01", "Done", 0.1)
    assert "Video" not in scene_fields(scene, SceneFacts(now=0.0))


def test_versions_and_settings_use_the_names_of_their_tables() -> None:
    version = version_fields(
        key="rec-r1",
        record_id="rec",
        run=1,
        created_at=0.0,
        cost_micro=1,
        model="x",
        what_changed="y",
        films=[],
        hooks=["a", "b"],
        languages=["en", "de"],
    )
    assert set(version) == set(VersionField) - {VersionField.RESTORE}
    assert version[VersionField.HOOK] == "a, b"
    assert version[VersionField.LANGUAGE] == "en, de"
    assert settings_fields(spent_today_micro=2_500_000, status="Working.") == {"Spent Today": 2.5, "Status": "Working."}


def test_small_words() -> None:
    """Empty text and times as cells."""
    assert (shorten(""), shorten(None), iso(None)) == (None, None, None)
    assert attachments([], ["att1"]) == [{"id": "att1"}]
