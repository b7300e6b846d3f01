"""Rows as people write them become orders; what cannot be read gets a sentence that says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.airtable.rows.fields import airtable_row, airtable_scene, airtable_settings, row_to_order
from pipelines.domain.footage import Captions, Corner, Fit, Transition
from pipelines.domain.orders.order import MAX_PROMPT, Order

CAT = {"Master Prompt": "A cat."}
PICTURE = {"id": "att1", "url": "https://v5.airtableusercontent.com/a", "filename": "a.png", "type": "image/png"}
SONG = {"id": "att2", "url": "https://v5.airtableusercontent.com/b", "filename": "b.mp3", "type": "audio/mpeg"}


def order_of(**fields: Any) -> Order:
    """The order of a row that has no problem."""
    order, problems = row_to_order({**CAT, **{name.replace("_", " "): value for name, value in fields.items()}})
    assert problems == ()
    return order


def sentence(fields: dict[str, Any], label: Any = str) -> str:
    """The one problem of a row, with its field."""
    _order, problems = row_to_order({**CAT, **fields}, label)
    [problem] = problems
    return f"{problem.field} {problem.message}"


def test_an_empty_input_means_the_default() -> None:
    order = order_of()
    assert order == Order(master_prompt="A cat.", adapt=True)


@pytest.mark.parametrize(
    "cell",
    [
        "  A cat.\n",
        {"state": "generated", "value": "A cat.", "isStale": False},
        {"state": "generated", "value": "A cat.", "isStale": True},
        ["A cat."],
        [{"state": "generated", "value": "A cat.", "isStale": False}],
        {"linkedRecordIds": ["recAAAAAAAAAAAAAA"], "valuesByLinkedRecordId": {"recAAAAAAAAAAAAAA": ["A cat."]}},
        {"id": "selAAAAAAAAAAAAAA", "name": "A cat.", "color": "blueLight2"},
        {"text": "A cat.", "type": "code39"},
        {"label": "A cat.", "url": None},
        [None, "", "A cat."],
    ],
)
def test_text_is_read_whatever_field_holds_it(cell: Any) -> None:
    order, problems = row_to_order({"Master Prompt": cell})
    assert (order.master_prompt, problems) == ("A cat.", ())


def test_mentions_become_the_name_that_people_see() -> None:
    text = 'With <airtable:mention id="menE1i9oBaGX3DseR">@Alexa</airtable:mention>, <airtable:mention id="x"/>now'
    assert order_of(Master_Prompt=text).master_prompt == "With @Alexa, now"


def test_several_values_of_a_lookup_stand_on_lines_of_their_own() -> None:
    assert order_of(Style_Notes=["warm", ["slow"]]).style_notes == "warm\nslow"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"state": "loading", "value": None, "isStale": False}, "still being written by Airtable's AI"),
        ({"state": "error", "errorType": "emptyDependency", "value": None, "isStale": False}, "could not be written"),
        ({"error": "#ERROR!"}, "formula that fails"),
        ({"specialValue": "NaN"}, "formula that fails"),
        (["recAAAAAAAAAAAAAA"], "links to other rows"),
        ([PICTURE], "holds files"),
        ("x" * (MAX_PROMPT + 1000), "33,000 characters; at most 32,000"),
        ({"state": "empty", "value": None, "isStale": False}, "is empty. Write what the video is about"),
        ("   ", "is empty"),
        (None, "one scene a line in Prompt"),
    ],
)
def test_a_prompt_that_cannot_be_used_says_why_and_what_to_do(cell: Any, said: str) -> None:
    assert said in sentence({"Master Prompt": cell})


def test_a_row_with_linked_scenes_needs_no_prompt() -> None:
    _order, problems = row_to_order({"Scenes": ["recAAAAAAAAAAAAAA"]})
    assert problems == ()


def test_each_line_of_prompt_is_a_scene_without_the_marks_of_a_list() -> None:
    text = "1. First\n\n2) Second\n- Third\n* Fourth\n• Fifth\n(6) Sixth\nScene 7: Seventh\n- [ ] Eighth\n9 lives\n"
    prompts = [scene.prompt for scene in order_of(Prompt=text).scenes]
    assert prompts == [
        "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "9 lives",
    ]  # fmt: skip


def test_too_many_lines_are_refused_with_both_numbers() -> None:
    assert "has 51 lines" in sentence({"Prompt": "\n".join(["x"] * 51)})


@pytest.mark.parametrize(
    ("cell", "count"), [(3, 3), (3.0, 3), ("3", 3), (" 3 scenes", 3), ([3], 3), ({"name": "3"}, 3), ("3.0", 3)]
)
def test_scene_count_is_read_from_any_number(cell: Any, count: int) -> None:
    assert order_of(Scene_Count=cell).scene_count == count


@pytest.mark.parametrize("cell", [0, -1, 1000, 2.5, "0", "-1"])
def test_scene_count_outside_its_range_is_refused_with_the_range(cell: Any) -> None:
    assert "must be a whole number from 1 to 50; it is" in sentence({"Scene Count": cell})


@pytest.mark.parametrize("cell", ["many", True, [1, 2], {"specialValue": "Infinity"}, float("nan"), float("inf")])
def test_scene_count_that_is_no_number_is_refused(cell: Any) -> None:
    assert sentence({"Scene Count": cell}).startswith("Scene Count ")


@pytest.mark.parametrize(
    ("cell", "seconds"), [(8, 8), ("8s", 8), ("8 sec", 8), ("0:08", 8), ("8,5", 8.5), (7.5, 7.5), ("0:00:08", 8)]
)
def test_clip_seconds_are_read_from_numbers_durations_and_text(cell: Any, seconds: float) -> None:
    assert order_of(Clip_Seconds=cell).clip_seconds == seconds


@pytest.mark.parametrize(
    ("cell", "micro"),
    [
        (5, 5_000_000),
        ("$5", 5_000_000),
        ("5 USD", 5_000_000),
        ("5,50", 5_500_000),
        ("1,000.50", 1_000_500_000),
        ("€ 2", 2_000_000),
        (0, 0),
        ("1 000", 1_000_000_000),
    ],
)
def test_max_cost_is_read_from_currency_and_text(cell: Any, micro: int) -> None:
    assert order_of(Max_Cost=cell).max_cost_micro == micro


def test_a_negative_cost_is_refused() -> None:
    assert "from 0" in sentence({"Max Cost": "-$5"})


@pytest.mark.parametrize(
    ("cell", "shape"),
    [
        ("16:9", "16:9"),
        ("9x16", "9:16"),
        ("9 / 16", "9:16"),
        ("Vertical", "9:16"),
        ("Square (feed)", "1:1"),
        ("4:5 portrait feed", "4:5"),
        ("Widescreen", "16:9"),
        ({"id": "sel", "name": "4:5"}, "4:5"),
    ],
)
def test_shapes_are_read_as_people_name_them(cell: Any, shape: str) -> None:
    assert order_of(Aspect_Ratio=cell).aspect_ratio == shape


def test_formats_come_without_repeats_and_without_the_main_shape() -> None:
    assert order_of(Formats=["9:16", "16:9", "9:16", "1:1"]).formats == ("9:16", "1:1")
    assert order_of(Formats="9:16, 1:1").formats == ("9:16", "1:1")


@pytest.mark.parametrize(
    ("cell", "lines"), [("1080p", "1080p"), ("1080", "1080p"), (720, "720p"), ("Full HD 1080 p", "1080p")]
)
def test_resolutions_are_read_with_or_without_the_p(cell: Any, lines: str) -> None:
    assert order_of(Resolution=cell).resolution == lines


def test_choices_are_read_in_any_case() -> None:
    order = order_of(Fit="blur", Transition="fade black", Captions="BURNED")
    assert (order.fit, order.transition, order.captions) == (Fit.BLUR, Transition.FADE_BLACK, Captions.BURNED)


@pytest.mark.parametrize(
    ("field", "cell", "allowed"),
    [
        ("Fit", "Stretch", "must be Crop, Blur or Letterbox; it is “Stretch”."),
        ("Resolution", "4K", "must be 480p, 720p or 1080p; it is “4K”."),
        ("Resolution", "2160p", "it is “2160p”."),
        ("Aspect Ratio", "21:9", "must be 16:9, 9:16, 1:1 or 4:5; it is “21:9”."),
        ("Formats", ["9:16", "2:1"], "it is “2:1”."),
        ("Captions", "Yes", "must be None, Burned, Sidecar or Karaoke"),
        ("Transition", ["Cut", "Crossfade"], "not several"),
        ("Transition Seconds", 60, "from 0.2 to 2; it is 60."),
        ("Loudness", 3, "from -40 to -5; it is 3."),
    ],
)
def test_what_is_not_offered_is_refused_with_the_allowed_values(field: str, cell: Any, allowed: str) -> None:
    said = sentence({field: cell})
    assert said.startswith(field + " ")
    assert allowed in said


def test_every_problem_of_a_row_is_listed() -> None:
    order, problems = row_to_order({"Fit": "x", "Resolution": "y", "Scene Count": 0, "Max Cost": "z"})
    assert [problem.field for problem in problems] == ["Scene Count", "Fit", "Resolution", "Max Cost", "Master Prompt"]
    assert order.scene_count == 4


def test_problems_name_the_field_as_the_base_does() -> None:
    assert sentence({"Fit": "x"}, {"Fit": "Zuschnitt"}.get).startswith("Zuschnitt ")


@pytest.mark.parametrize(
    "cell",
    [[PICTURE], [[PICTURE]], PICTURE["url"], [PICTURE["url"]], [{k: v for k, v in PICTURE.items() if k != "type"}]],
)
def test_reference_images_are_attachments_or_links(cell: Any) -> None:
    assert order_of(Reference_Images=cell).references == (PICTURE["url"],)


@pytest.mark.parametrize(
    ("field", "cell", "said"),
    [
        ("Reference Images", [SONG], "takes pictures; b.mp3 is audio/mpeg"),
        ("Music", [PICTURE], "takes sound files; a.png is image/png"),
        ("Reference Images", "see Dropbox", "links that start with https://; it holds “see”"),
        ("Reference Images", ["recAAAAAAAAAAAAAA"], "links to other rows"),
        ("Reference Images", "javascript:alert(1)", "links that start with https://"),
        ("Logo", [PICTURE, PICTURE], "takes one file; it holds 2"),
    ],
)
def test_files_of_another_kind_are_refused_by_name(field: str, cell: Any, said: str) -> None:
    assert said in sentence({field: cell})


def test_logo_and_music_are_one_file_each() -> None:
    order = order_of(Logo=[PICTURE], Music=[SONG])
    assert (order.logo, order.music) == (PICTURE["url"], SONG["url"])


@pytest.mark.parametrize(("cell", "share"), [(0.4, 0.4), (40, 0.4), ("40 %", 0.4), (1, 1.0), (0, 0.0), (None, 0.85)])
def test_a_logo_stands_where_and_as_clearly_as_the_row_says(cell: Any, share: float) -> None:
    order = order_of(Logo=[PICTURE], Logo_Position="bottom left", Logo_Opacity=cell)
    assert order.logo_position == Corner.BOTTOM_LEFT
    assert order.logo_opacity == pytest.approx(share)


@pytest.mark.parametrize(
    ("cell", "ticked"), [(True, True), (None, False), (False, False), ("yes", True), ([True], True)]
)
def test_boxes_are_ticked_or_absent(cell: Any, ticked: bool) -> None:
    assert order_of(Allow_Rewrite=cell).allow_rewrite is ticked


def test_a_row_shows_its_status_ticks_and_time() -> None:
    row = airtable_row(
        "recA",
        {**CAT, "Status": "Ready", "Cancel": True, "Generate": True, "Scheduled For": "2027-01-01T00:00:00.000Z"},
    )
    assert (row.status, row.ticks, row.scheduled_for) == ("Ready", frozenset({"Cancel", "Generate"}), 1_798_761_600.0)


def test_a_time_that_cannot_be_read_is_a_problem_of_the_row() -> None:
    row = airtable_row("recA", {**CAT, "Scheduled For": "tomorrow"})
    assert row.problems == (("Scheduled For", "must be a date and time; it is “tomorrow”."),)


def test_a_scene_is_read_as_a_person_left_it() -> None:
    scene = airtable_scene(
        "recS",
        {
            "Scene #": 2,
            "Prompt": "A dog.",
            "Seconds": "4s",
            "Continue": True,
            "Transition": "Dip White",
            "Video": [{"id": "recV", "name": "x"}],
            "Model": "sora/sora-2",
        },
    )
    assert (scene.number, scene.video_id, scene.status) == (2, "recV", "Draft")
    assert (scene.scene.prompt, scene.scene.seconds, scene.scene.continues) == ("A dog.", 4, True)
    assert (scene.scene.transition, scene.scene.airtable_record_id) == (Transition.DIP_WHITE, "recS")


def test_a_scene_with_a_wrong_cell_keeps_the_rest_and_tells() -> None:
    scene = airtable_scene("recS", {"Prompt": "A dog.", "Seconds": "long"})
    assert scene.scene.prompt == "A dog."
    assert scene.problems == (("Seconds", "must be a number; it is “long”."),)


def test_a_budget_that_cannot_be_read_stops_spending_rather_than_guessing() -> None:
    assert airtable_settings("recB", {"Day Budget": "a lot"}).day_budget_micro == 0
    assert airtable_settings("recB", {}).day_budget_micro is None
    assert airtable_settings("recB", {"Day Budget": 20, "Stop Spending": True}).stop


def test_frames_seed_negative_prompt_and_the_length_of_the_film_are_read() -> None:
    fields = {"First Frame": [PICTURE], "Last Frame": PICTURE["url"], "Negative Prompt": "rain", "Film Seconds": 12}
    order, problems = row_to_order({**CAT, **fields, "Seed": 7})
    assert problems == ()
    assert (order.first_frame, order.last_frame) == (PICTURE["url"], PICTURE["url"])
    assert (order.seed, order.negative_prompt, order.film_seconds, order.scene_count) == (7, "rain", 12.0, 0)
    counted, _ = row_to_order({**CAT, **fields, "Scene Count": 3})
    assert (counted.scene_count, counted.seed) == (3, None)
    assert "takes one file; it holds 2" in sentence({"First Frame": [PICTURE, PICTURE]})
