"""Numbers, links and addresses as they are typed into cells all over the world; what could mean two things is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.airtable.rows.fields import airtable_scene, airtable_settings, row_to_order
from pipelines.domain.orders.numbers import read_number
from pipelines.domain.orders.pasted_links import links_in
from tests.stages.stage_fixtures import StageHarness

CAT = {"Master Prompt": "A cat."}
COUNTRIES = [(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u202f", ",")]
A, B = "https://cdn.example/a.png", "https://cdn.example/b.png"


def problem_of(**fields: Any) -> str:
    _, problems = row_to_order({**CAT, **{name.replace("_", " "): value for name, value in fields.items()}})
    [problem] = problems
    return f"{problem.field} {problem.message}"


@pytest.mark.parametrize(
    ("cell", "micro"),
    [
        ("0,125", 125_000),
        ("0.125", 125_000),
        (",5", 500_000),
        ("1.234,56 €", 1_234_560_000),
        ("1 234,56", 1_234_560_000),
        ("1\u202f234,56 €", 1_234_560_000),
        ("1'234.50", 1_234_500_000),
        ("1’234.50 CHF", 1_234_500_000),
        ("$1,234.5", 1_234_500_000),
        ("1,5", 1_500_000),
        ("12,50", 12_500_000),
        ("12.50", 12_500_000),
        ("1.234.567,8", None),
        ("1,00,000.50", 100_000_500_000),
        ("١٢٫٥", 12_500_000),
        ("١٬٢٣٤٫٥", 1_234_500_000),
        ("１２．５０", 12_500_000),
        ("5,- €", 5_000_000),
        ("USD 5", 5_000_000),
        ("5 USD", 5_000_000),
        ("US$ 5", 5_000_000),
        ("5 dollars", 5_000_000),
        ("+5", 5_000_000),
        ("0", 0),
    ],
)
def test_an_amount_is_read_as_its_country_writes_it(cell: str, micro: int | None) -> None:
    order, problems = row_to_order({**CAT, "Max Cost": cell})
    if micro is None:
        assert "from 0 to 1,000,000" in problems[0].message
        return
    assert (order.max_cost_micro, problems) == (micro, ())


@pytest.mark.parametrize("cell", ["1.234", "1,234", "$1,000", "10.000 €", "123,456"])
def test_an_amount_that_could_be_a_thousand_times_as_much_is_asked(cell: str) -> None:
    said = problem_of(Max_Cost=cell)
    assert said.startswith(f"Max Cost is “{cell}”, which can mean ")
    assert "Write " in said
    assert airtable_settings("recB", {"Day Budget": cell}).day_budget_micro == 0


@pytest.mark.parametrize(
    "cell",
    [
        *("500 ¥", "50 ct", "50 cents", "5k", "2 Mio", "A$ 5", "500 ₽", "5-8", "5–8", "1/2", "½", "1e3", "1:05", "5 8"),
        *("24.12.2026", "1.2.3", "12 34", "(5)", "about 5", "0x10", "1_000", "$5 per day"),
    ],
)
def test_what_is_no_amount_of_dollars_is_refused(cell: str) -> None:
    assert "must be an amount in US dollars" in problem_of(Max_Cost=cell)


@pytest.mark.parametrize("cell", ["-5", "−5", "-$5", "– 5 €", "－5"])
def test_less_than_nothing_is_refused_whatever_the_minus(cell: str) -> None:
    assert "from 0" in problem_of(Max_Cost=cell)


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        ("clip_seconds", "7,5 s", 7.5),
        ("clip_seconds", "1.500", 1.5),
        ("clip_seconds", "8 Sekunden", 8),
        ("clip_seconds", "８秒", 8),
        ("clip_seconds", "0:07,5", 7.5),
        ("clip_seconds", "0.5 min", 30),
        ("transition_seconds", "500 ms", 0.5),
        ("transition_seconds", "0,75", 0.75),
        ("scene_count", "4 Szenen", 4),
        ("seed", "1,234", 1234),
        ("seed", "1.234", 1234),
        ("scene_count", "4,000", 4),
        ("logo_opacity", "85,5 %", 0.855),
        ("logo_opacity", "٤٠٪", 0.4),
        ("loudness_lufs", "−14,5 LUFS", -14.5),
        ("loudness_lufs", "-14 dB", -14),
    ],
)
def test_every_number_cell_is_read_by_the_same_rule(field: str, cell: str, value: float) -> None:
    name = {"loudness_lufs": "Loudness"}.get(field, field.replace("_", " ").title())
    order, problems = row_to_order({**CAT, name: cell})
    assert (getattr(order, field), problems) == (value, ())


@pytest.mark.parametrize(
    ("field", "cell"), [("Clip Seconds", "48 frames"), ("Scene Count", "0:05"), ("Loudness", "k 5")]
)
def test_a_number_of_something_else_is_refused(field: str, cell: str) -> None:
    _, problems = row_to_order({**CAT, field: cell})
    assert [problem.field for problem in problems] == [field]


def test_the_seconds_of_a_scene_are_read_alike() -> None:
    assert airtable_scene("recS", {"Prompt": "A dog.", "Seconds": "7,5"}).scene.seconds == 7.5


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789.,'- $€%kx\u00a0٫١", max_size=12))
@example("0 ٫0")
def test_reading_never_fails_and_two_readings_are_a_thousand_apart(text: str) -> None:
    found = read_number(text)
    assert found is None or len(found.readings) in {1, 2}
    if found and len(found.readings) == 2:
        assert found.readings[1] == found.readings[0] * 1000


@settings(max_examples=200, deadline=None)
@given(
    st.decimals(0, 999_999, places=2),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u202f", ",")]),
)
def test_an_amount_survives_every_country(amount: Any, marks: tuple[str, str]) -> None:
    thousands, decimal = marks
    text = f"{amount:,}".replace(",", "T").replace(".", decimal).replace("T", thousands)
    found = read_number(text)
    assert found is not None
    assert found.readings == (amount,)


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    "text",
    [
        f"{A}, {B}",
        f"{A},{B}",
        f"{A}; {B}",
        f"{A};{B}",
        f"{A} {B}",
        f"{A}\n{B}",
        f"{A},\n{B},",
        f"{A} | {B}",
        f"{A}、{B}",
        f"<{A}> <{B}>",
        f"<{A}>,<{B}>",
        f"({A}), ({B}).",
        f'"{A}", "{B}"',
        f"'{A}','{B}'",
        f"“{A}” „{B}“",
        f"[one]({A}), [two]({B})",
        f'![]({A})\n![two]({B} "a title")',
        f"[{A}]({A}) [{B}]({B})",
        f"1. {A}\n2. {B}",
        f"- {A}\n- {B}",
    ],
)
def test_links_are_found_however_they_are_divided(text: str) -> None:
    order, problems = row_to_order({**CAT, "Reference Images": text})
    assert (order.references, problems) == ((A, B), ())


@pytest.mark.parametrize(
    "link",
    [
        "https://cdn.example/a.png?size=1,2&tags=x;y",
        "https://cdn.example/w_100,h_200/a.png",
        "https://proxy.example/?url=https://cdn.example/a.png",
        "https://proxy.example/fetch/w_1,h_2/https://cdn.example/a.png",
        "https://wiki.example/A_(film)",
    ],
)
def test_a_comma_of_a_link_is_part_of_it(link: str) -> None:
    assert links_in(f"{link}, {A}") == ((link, A), ())
    assert row_to_order({**CAT, "Logo": link})[0].logo == link


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1/a.png",
        "https://127.0.0.1/a.png",
        "https://localhost/a.png",
        "https://2130706433/",
        "https://a:b@127.0.0.1/",
        "http://cdn.example/a.png",
    ],
)
def test_a_link_of_a_row_that_cannot_be_used_is_said_before_anything_is_fetched(tmp_path: Path, link: str) -> None:
    assert "a link that cannot be used: it must be an address" in problem_of(Logo=link)
    harness = StageHarness.build(tmp_path)
    record, run = harness.film(Prompt="A cat", **{"Reference Images": f"{A}, {link}"})
    assert run.status == "failed"
    assert "Reference Images: holds a link that cannot be used" in harness.cells(record)["Error"]
    assert harness.bought == []


def test_the_right_amount_is_the_limit_of_the_run(tmp_path: Path) -> None:
    harness = StageHarness.build(tmp_path)
    _, run = harness.film(Prompt="A cat", **{"Max Cost": "0,125"})
    assert (run.status, harness.bought) == ("needs_attention", [])
    _, unclear = harness.film(Prompt="A cat", **{"Max Cost": "1.234"})
    assert (unclear.status, harness.bought) == ("failed", [])
