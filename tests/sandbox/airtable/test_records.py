"""The emulated Airtable through pyairtable, unmodified: records, lists, upsert, typecast, links, metadata, comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pyairtable.formulas import match
from pyairtable.models.schema import TableSchema

from pipelines.sandbox.airtable import FIRST_BASE
from tests.sandbox.airtable.sandbox_airtable import CHECKBOX, UTC_TIME, Board, error_type


@pytest.fixture(scope="module")
def running() -> Iterator[Board]:
    with Board() as airtable:
        yield airtable.build()


@pytest.fixture
def airtable(running: Board) -> Board:
    """The module's board without rows."""
    for table in (running.videos, running.scenes):
        table.batch_delete([row["id"] for row in table.all(fields=[])])
    return running


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(requests.HTTPError) as caught:
        call(*args, **kwargs)
    assert caught.value.response is not None
    return error_type(caught.value.response)


def options(table: TableSchema, name: str) -> dict[str, Any]:
    """A field's options as Airtable names them, whatever its type."""
    found: dict[str, Any] = table.field(name).model_dump(by_alias=True)["options"]
    return found


def test_a_row_comes_back_as_it_was_written_and_empty_cells_are_absent(airtable: Board) -> None:
    cells = {
        "Title": "Harbour",
        "Status": "Ready",
        "Formats": ["16:9", "9:16"],
        "Scene Count": 4,
        "Max Cost": 2.5,
        "Progress": 0.25,
        "Duration": 75,
        "Stars": 3,
        "Generate": True,
        "Scheduled For": "2026-01-02T03:04:05.000Z",
        "Due": "2026-02-03",
        "Notes": '**bold** <airtable:mention id="menA">@Ann</airtable:mention>',
    }
    row = airtable.videos.create(cells | {"Video URL": None, "Master Prompt": ""})
    assert airtable.videos.get(row["id"])["fields"] == cells
    airtable.videos.update(row["id"], {"Generate": False, "Scene Count": None})
    assert {"Generate", "Scene Count"}.isdisjoint(airtable.videos.get(row["id"])["fields"])


def test_patch_keeps_the_other_cells_and_put_clears_them(airtable: Board) -> None:
    row = airtable.videos.create({"Title": "a", "Scene Count": 2, "Status": "Draft"})
    assert airtable.videos.update(row["id"], {"Title": "b"})["fields"] == {
        "Title": "b",
        "Scene Count": 2,
        "Status": "Draft",
    }
    assert airtable.videos.update(row["id"], {"Title": "c"}, replace=True)["fields"] == {"Title": "c"}
    many = airtable.videos.batch_update([{"id": row["id"], "fields": {"Scene Count": 1}}], replace=True)
    assert many[0]["fields"] == {"Scene Count": 1}


def test_tables_and_fields_answer_to_ids_and_to_names(airtable: Board) -> None:
    schema = airtable.videos.schema()
    title, status = schema.field("Title").id, schema.field("Status").id
    by_id = airtable.base.table(schema.id)
    row = by_id.create({title: "x", status: "Ready"}, use_field_ids=True)
    assert row["fields"] == {title: "x", status: "Ready"}
    found = by_id.first(formula=f"{{{title}}}='x'")
    assert found
    assert found["fields"] == {"Title": "x", "Status": "Ready"}
    assert by_id.all(fields=[title], use_field_ids=True)[0]["fields"] == {title: "x"}


def test_at_most_ten_records_are_written_or_deleted_at_once(airtable: Board) -> None:
    eleven = [{"fields": {"Title": str(n)}} for n in range(11)]
    answer = airtable.raw("POST", f"{FIRST_BASE}/Videos", {"records": eleven})
    assert (answer.status_code, error_type(answer)) == (422, "INVALID_RECORDS")
    made = airtable.videos.batch_create([item["fields"] for item in eleven])
    assert len(made) == 11
    deleted = airtable.videos.batch_delete([row["id"] for row in made])
    assert [d["deleted"] for d in deleted] == [True] * 11
    assert airtable.videos.all() == []


def test_a_batch_with_one_wrong_record_changes_nothing(airtable: Board) -> None:
    kept = airtable.videos.create({"Title": "kept"})
    assert (
        refused(airtable.videos.batch_create, [{"Title": "a"}, {"Scene Count": "many"}]) == "INVALID_VALUE_FOR_COLUMN"
    )
    wrong = [{"id": kept["id"], "fields": {"Title": "changed"}}, {"id": "rec" + "0" * 14, "fields": {}}]
    assert refused(airtable.videos.batch_update, wrong) == "ROW_DOES_NOT_EXIST"
    assert [row["fields"] for row in airtable.videos.all()] == [{"Title": "kept"}]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"Status": "Nope"}, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ({"Status": ""}, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ({"Formats": ["1:1"]}, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ({"Scene Count": "4"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Title": 4}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Generate": "yes"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Stars": 6}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Scheduled For": "soon"}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Scenes": ["rec" + "0" * 14]}, "ROW_DOES_NOT_EXIST"),
        ({"Scenes": "rec" + "0" * 14}, "INVALID_VALUE_FOR_COLUMN"),
        ({"Final Video": [{"id": "att" + "0" * 14}]}, "INVALID_ATTACHMENT_OBJECT"),
        ({"Final Video": [{"url": "ftp://example.invalid/a.mp4"}]}, "INVALID_ATTACHMENT_OBJECT"),
        ({"Ttile": "typo"}, "UNKNOWN_FIELD_NAME"),
    ],
)
def test_without_typecast_a_wrong_value_is_refused_by_kind(airtable: Board, cells: dict[str, Any], kind: str) -> None:
    assert refused(airtable.videos.create, cells) == kind
    assert airtable.videos.all() == []


def test_typecast_converts_text_and_adds_choices_and_linked_rows(airtable: Board) -> None:
    scene = airtable.scenes.create({"Scene Key": "known"})
    cells = {
        "Title": 4,
        "Status": "Uploading",
        "Formats": "16:9, 4:5",
        "Scene Count": "1,200",
        "Progress": "50%",
        "Duration": "1:02:03",
        "Generate": "true",
        "Due": "3/25/2026",
        "Scenes": "known, new",
    }
    fields = airtable.videos.create(cells, typecast=True)["fields"]
    keys = {row["id"]: row["fields"]["Scene Key"] for row in airtable.scenes.all()}
    assert [keys[r] for r in fields.pop("Scenes")] == ["known", "new"]
    assert scene["id"] in keys
    assert fields == {
        "Title": "4",
        "Status": "Uploading",
        "Formats": ["16:9", "4:5"],
        "Scene Count": 1200,
        "Progress": 0.5,
        "Duration": 3723,
        "Generate": True,
        "Due": "2026-03-25",
    }
    choices = airtable.videos.schema(force=True).field("Status").options.choices
    assert [c.name for c in choices][-1] == "Uploading"


def test_upsert_creates_then_updates_and_an_id_wins_over_the_key(airtable: Board) -> None:
    twelve = [{"fields": {"Scene Key": f"k{n:02d}", "Cost": n / 100}} for n in range(12)]
    first = airtable.scenes.batch_upsert(twelve, key_fields=["Scene Key"])
    assert (len(first["createdRecords"]), first["updatedRecords"]) == (12, [])
    second = airtable.scenes.batch_upsert(twelve, key_fields=["Scene Key"])
    assert (second["createdRecords"], len(second["updatedRecords"])) == ([], 12)
    target = first["createdRecords"][3]
    renamed = airtable.scenes.batch_upsert([{"id": target, "fields": {"Scene Key": "k99"}}], key_fields=["Scene Key"])
    assert renamed["updatedRecords"] == [target]
    assert len(airtable.scenes.all()) == 12


def test_an_upsert_that_matches_two_rows_fails_whole(airtable: Board) -> None:
    airtable.scenes.batch_create([{"Scene Key": "twin"}, {"Scene Key": "twin"}])
    items = [{"fields": {"Scene Key": "new"}}, {"fields": {"Scene Key": "twin", "Cost": 1}}]
    assert refused(airtable.scenes.batch_upsert, items, key_fields=["Scene Key"]) == "INVALID_REQUEST_UNKNOWN"
    assert [row["fields"] for row in airtable.scenes.all()] == [{"Scene Key": "twin"}] * 2


def test_upsert_merges_on_one_to_three_writable_fields_that_every_record_has(airtable: Board) -> None:
    for key_fields in ([], ["Scene Key", "Cost", "Video", "Scene Key"], ["Video"]):
        doc = {"performUpsert": {"fieldsToMergeOn": key_fields}, "records": [{"fields": {"Scene Key": "a"}}]}
        assert airtable.raw("PATCH", f"{FIRST_BASE}/Scenes", doc).status_code == 422
    doc = {"performUpsert": {"fieldsToMergeOn": ["Scene Key"]}, "records": [{"fields": {"Cost": 1}}]}
    assert airtable.raw("PATCH", f"{FIRST_BASE}/Scenes", doc).status_code == 422


def test_pages_follow_offsets_in_both_forms_of_the_list(airtable: Board) -> None:
    airtable.scenes.batch_create([{"Scene Key": f"{n:03d}"} for n in range(105)])
    assert [r["fields"]["Scene Key"] for r in airtable.scenes.all()] == [f"{n:03d}" for n in range(105)]
    assert [len(page) for page in airtable.scenes.iterate(page_size=50)] == [50, 50, 5]
    assert len(airtable.scenes.all(max_records=7)) == 7
    page = airtable.raw("POST", f"{FIRST_BASE}/Scenes/listRecords", {"pageSize": 60}).json()
    rest = airtable.raw("POST", f"{FIRST_BASE}/Scenes/listRecords", {"pageSize": 60, "offset": page["offset"]}).json()
    assert (len(page["records"]), len(rest["records"]), "offset" in rest) == (60, 45, False)
    lost = airtable.raw("GET", f"{FIRST_BASE}/Scenes?offset=itrgone/rec0")
    assert (lost.status_code, error_type(lost)) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


def test_a_filter_too_long_for_a_url_goes_by_post(airtable: Board) -> None:
    airtable.scenes.batch_create([{"Scene Key": "a"}, {"Scene Key": "b"}])
    formula = "OR(" + ",".join(f"{{Scene Key}}='{n:030d}'" for n in range(500)) + ",{Scene Key}='b')"
    assert [r["fields"]["Scene Key"] for r in airtable.scenes.all(formula=formula)] == ["b"]
    answer = airtable.raw("GET", f"{FIRST_BASE}/Scenes?filterByFormula={'x' * 16_000}")
    assert answer.status_code == 414


def test_sorting_knows_numbers_blanks_and_the_order_of_choices(airtable: Board) -> None:
    airtable.videos.batch_create(
        [
            {"Title": "a", "Scene Count": 10, "Status": "Done"},
            {"Title": "b", "Scene Count": 9, "Status": "Draft"},
            {"Title": "c", "Status": "Draft"},
        ]
    )

    def titles(**how: Any) -> str:
        return "".join(row["fields"]["Title"] for row in airtable.videos.all(**how))

    assert titles(sort=["Scene Count"]) == "cba"
    assert titles(sort=["-Scene Count"]) == "abc"
    assert titles(sort=["Status", "-Title"]) == "cba"
    assert refused(airtable.videos.all, sort=["Nope"]) == "UNKNOWN_FIELD_NAME"
    assert titles(view="Grid view") == "abc"
    assert refused(airtable.videos.all, view="Kanban") == "VIEW_NAME_NOT_FOUND"


def test_cells_as_text_need_a_time_zone_and_a_locale(airtable: Board) -> None:
    airtable.videos.create(
        {
            "Title": "a",
            "Scene Count": 3,
            "Generate": True,
            "Formats": ["16:9", "9:16"],
            "Progress": 0.4,
            "Max Cost": 2.5,
            "Duration": 3723,
        }
    )
    assert airtable.raw("GET", f"{FIRST_BASE}/Videos?cellFormat=string").status_code == 422
    rows = airtable.videos.all(cell_format="string", time_zone="utc", user_locale="en")
    assert rows[0]["fields"] == {
        "Title": "a",
        "Scene Count": "3",
        "Generate": "checked",
        "Formats": "16:9, 9:16",
        "Progress": "40%",
        "Max Cost": "$2.50",
        "Duration": "1:02:03",
    }


def test_links_and_their_inverse_stay_in_step(airtable: Board) -> None:
    video, other = airtable.videos.batch_create([{"Title": "v"}, {"Title": "w"}])
    scene = airtable.scenes.create({"Scene Key": "s", "Video": [video["id"]]})
    assert airtable.videos.get(video["id"])["fields"]["Scenes"] == [scene["id"]]
    airtable.videos.update(other["id"], {"Scenes": [scene["id"]]})
    assert airtable.scenes.get(scene["id"])["fields"]["Video"] == [video["id"], other["id"]]
    airtable.scenes.update(scene["id"], {"Video": [other["id"]]})
    assert "Scenes" not in airtable.videos.get(video["id"])["fields"]
    airtable.scenes.delete(scene["id"])
    assert "Scenes" not in airtable.videos.get(other["id"])["fields"]


def test_a_record_that_is_gone_is_not_found_and_its_table_is_not_compared(airtable: Board) -> None:
    row = airtable.videos.create({"Title": "a"})
    assert airtable.scenes.get(row["id"])["fields"] == {"Title": "a"}
    airtable.videos.delete(row["id"])
    for verb in ("GET", "PATCH", "DELETE"):
        answer = airtable.raw(verb, f"{FIRST_BASE}/Videos/{row['id']}", {"fields": {}})
        assert (answer.status_code, answer.json()) == (404, {"error": "NOT_FOUND"})


def test_computed_fields_are_made_by_people_read_by_all_and_written_by_nobody() -> None:
    with Board() as airtable:
        airtable.build()
        path = f"bases/{FIRST_BASE}/tables/Videos/fields"
        lookup = {"recordLinkFieldId": "Scenes", "fieldIdInLinkedTable": "Cost"}
        for spec in (
            {"name": "Spent", "type": "rollup", "options": lookup | {"formula": "SUM(values)"}},
            {"name": "Costs", "type": "multipleLookupValues", "options": lookup},
            {"name": "Scenes Made", "type": "count", "options": {"recordLinkFieldId": "Scenes"}},
            {"name": "Link", "type": "formula", "options": {"formula": "'http://x/r/' & RECORD_ID() & '?' & {Title}"}},
            {"name": "Open", "type": "button", "options": {"label": "Open", "url": "'http://x/r/' & RECORD_ID()"}},
            {"name": "Made At", "type": "createdTime"},
            {"name": "No", "type": "autoNumber"},
            {"name": "Summary", "type": "aiText"},
        ):
            airtable.control("POST", path, spec)
            answer = airtable.raw(
                "POST", f"meta/bases/{FIRST_BASE}/tables/{airtable.videos.id}/fields", {**spec, "name": "X"}
            )
            assert (answer.status_code, error_type(answer)) == (422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE")
            assert refused(airtable.videos.create, {spec["name"]: "x"}) == "INVALID_VALUE_FOR_COLUMN"
        row = airtable.videos.create({"Title": "t"})
        airtable.scenes.batch_create(
            [{"Scene Key": k, "Cost": c, "Video": [row["id"]]} for k, c in (("a", 0.5), ("b", 1))]
        )
        airtable.person("Videos", {"Summary": "A harbour"}, row["id"])
        fields = airtable.videos.get(row["id"])["fields"]
        assert (fields["Spent"], fields["Costs"], fields["Scenes Made"]) == (1.5, [0.5, 1], 2)
        assert fields["Link"] == f"http://x/r/{row['id']}?t"
        assert fields["Open"] == {"label": "Open", "url": f"http://x/r/{row['id']}"}
        assert (fields["Made At"], fields["No"]) == (row["createdTime"], 1)
        assert fields["Summary"] == {"state": "generated", "value": "A harbour", "isStale": False}
        schema = airtable.videos.schema(force=True)
        assert options(schema, "Link")["formula"].endswith(f"{{{schema.field('Title').id}}}")
        found = airtable.videos.first(formula=match({"Summary": "A harbour"}))
        assert found
        assert found["id"] == row["id"]


def test_metadata_tells_ids_types_options_and_the_inverse_link(airtable: Board) -> None:
    assert [(b.id, b.permission_level) for b in airtable.api.bases(force=True)] == [(FIRST_BASE, "create")]
    assert airtable.api.whoami()["id"].startswith("usr")
    assert airtable.base.collaborators().permission_level == "create"
    videos, scenes = airtable.base.schema(force=True).tables
    assert (videos.primary_field_id, videos.views[0].name) == (videos.field("Title").id, "Grid view")
    assert options(videos, "Status")["choices"][0]["color"] == "grayLight2"
    inverse = options(videos, "Scenes")
    assert (inverse["linkedTableId"], inverse["inverseLinkFieldId"]) == (scenes.id, scenes.field("Video").id)
    assert options(scenes, "Video")["inverseLinkFieldId"] == videos.field("Scenes").id


def test_tables_and_fields_are_created_renamed_and_described(airtable: Board) -> None:
    base = airtable.api.create_base(
        "wspReelgridSandbx", "Second", [{"name": "T", "fields": [{"name": "N", "type": "url"}]}]
    )
    schema = base.table("T").schema()
    schema.name, schema.description = "Renamed", "What it is for"
    schema.save()
    renamed = base.table(schema.id)  # fields are created by table id only; a name is not found
    field = renamed.create_field("Done", "checkbox", "ticked by a person", CHECKBOX)
    field.name = "Finished"
    field.save()
    read = base.schema(force=True).table("Renamed")
    assert (read.description, read.field("Finished").description) == ("What it is for", "ticked by a person")
    assert (
        error_type(airtable.raw("POST", f"meta/bases/{base.id}/tables", {"name": "Renamed", "fields": []}))
        == "DUPLICATE_TABLE_NAME"
    )


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({"name": "Title", "type": "singleLineText"}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ({"name": "", "type": "singleLineText"}, "DUPLICATE_OR_EMPTY_FIELD_NAME"),
        ({"name": "A", "type": "number"}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ({"name": "A", "type": "number", "options": {"precision": 9}}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ({"name": "A", "type": "checkbox"}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ({"name": "A", "type": "singleSelect"}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ({"name": "A", "type": "currency", "options": {"precision": 2}}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        ({"name": "A", "type": "duration", "options": {}}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        (
            {"name": "A", "type": "dateTime", "options": UTC_TIME | {"timeZone": "Moon"}},
            "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
        ),
        ({"name": "A", "type": "multilineText", "options": {"x": 1}}, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"),
        (
            {"name": "A", "type": "multipleRecordLinks", "options": {"linkedTableId": "Videos"}},
            "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE",
        ),
        ({"name": "A", "type": "formula", "options": {"formula": "1"}}, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"),
        ({"name": "A", "type": "video"}, "INVALID_FIELD_TYPE"),
    ],
)
def test_a_field_with_wrong_options_is_not_created(airtable: Board, spec: dict[str, Any], kind: str) -> None:
    before = len(airtable.videos.schema(force=True).fields)
    answer = airtable.raw("POST", f"meta/bases/{FIRST_BASE}/tables/{airtable.videos.id}/fields", spec)
    assert (answer.status_code, error_type(answer)) == (422, kind)
    assert len(airtable.videos.schema(force=True).fields) == before


def test_comments_are_added_edited_counted_and_deleted(airtable: Board) -> None:
    row = airtable.videos.create({"Title": "a"})
    comment = airtable.videos.add_comment(row["id"], "Started")
    comment.text = "Finished"
    comment.save()
    assert [c.text for c in airtable.videos.comments(row["id"])] == ["Finished"]
    assert airtable.videos.all(count_comments=True)[0]["commentCount"] == 1
    comment.delete()
    assert airtable.videos.comments(row["id"]) == []


def test_unknown_routes_tables_bases_and_bodies_have_airtables_answers(airtable: Board) -> None:
    assert airtable.raw("GET", "nothing/here/at/all").json() == {"error": "NOT_FOUND"}
    assert airtable.raw("GET", "notabase/Videos").json() == {"error": "NOT_FOUND"}
    for path in (f"app{'0' * 14}/Videos", f"{FIRST_BASE}/Nope"):
        answer = airtable.raw("GET", path)
        assert (answer.status_code, error_type(answer)) == (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
    assert error_type(airtable.raw("POST", f"{FIRST_BASE}/Videos", {"cells": {}})) == "INVALID_REQUEST_MISSING_FIELDS"
    assert airtable.raw("POST", f"{FIRST_BASE}/Videos", [1]).status_code == 422
    assert airtable.raw("GET", f"{FIRST_BASE}/Videos?pageSize=101").status_code == 422
