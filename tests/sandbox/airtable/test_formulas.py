"""filterByFormula of the emulated Airtable: the operators and functions filters need, and what pyairtable builds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from pyairtable import formulas as f
from pyairtable.formulas import match

from tests.sandbox.airtable.sandbox_airtable import Board

ROWS: list[dict[str, Any]] = [
    {"Title": "a", "Status": "Ready", "Scheduled For": "2020-01-02T03:04:05.000Z", "Scene Count": 3},
    {"Title": "b", "Status": "Ready", "Scheduled For": "2999-01-01T00:00:00.000Z", "Generate": True},
    {"Title": "c", "Status": "Ready", "Formats": ["16:9", "9:16"], "Scene Count": 0},
    {"Title": 'it\'s "d"\n}', "Status": "Draft", "Max Cost": 2.5, "Due": "2026-03-31"},
]


@pytest.fixture(scope="module")
def airtable() -> Iterator[Board]:
    with Board() as airtable:
        airtable.build().videos.batch_create(ROWS)
        yield airtable


def found(airtable: Board, formula: Any) -> str:
    """The first letters of the matching rows' titles; the odd title counts as d."""
    titles = [row["fields"]["Title"] for row in airtable.videos.all(formula=formula)]
    return "".join("d" if len(title) > 1 else title for title in titles)


@pytest.mark.parametrize(
    ("formula", "letters"),
    [
        ("{Status}='Ready'", "abc"),
        ('Status = "Draft"', "d"),
        ("{Status}!='Ready'", "d"),
        ("{Status}<>'Ready'", "d"),
        ("NOT({Status}='Ready')", "d"),
        ("AND({Status}='Ready', {Generate})", "b"),
        ("AND({Status}='Ready', NOT({Generate}))", "ac"),
        ("{Generate}=TRUE()", "b"),
        ("{Generate}=1", "b"),
        ("{Generate}=FALSE()", "acd"),
        ("OR({Title}='a', {Title}='c')", "ac"),
        ("{Scheduled For}=BLANK()", "cd"),
        ("{Scheduled For}=''", "cd"),
        ("AND({Status}='Ready', OR({Scheduled For}=BLANK(), IS_BEFORE({Scheduled For}, NOW())))", "ac"),
        ("IS_AFTER({Scheduled For}, DATEADD(NOW(), 10, 'years'))", "b"),
        ("{Scheduled For}>DATETIME_PARSE('2500-01-01')", "b"),
        ("{Scheduled For}=DATETIME_PARSE('2020-01-02T03:04:05.000Z')", "a"),
        ("FIND('2020-01-02', {Scheduled For})", "a"),
        ("{Due}=DATETIME_PARSE('2026-03-31')", "d"),
        ("IS_SAME(DATEADD({Due}, 1, 'month'), '2026-04-30', 'day')", "d"),
        ("DATETIME_DIFF({Due}, '2026-03-30', 'days')=1", "d"),
        ("DATETIME_FORMAT({Due}, 'YYYY/MM')='2026/03'", "d"),
        ("{Scene Count}=3", "a"),
        ("{Scene Count}>=0", "abcd"),
        ("{Scene Count}>2", "a"),
        ("{Scene Count}*2+1=7", "a"),
        ("-{Scene Count}<-(1+1)", "a"),
        ("{Scene Count}=0", "bcd"),
        ("{Scene Count}=''", "bd"),
        ("10/{Scene Count}>3", "a"),
        ("{Max Cost}<=2.5", "abcd"),
        ("IF({Max Cost}, {Max Cost}>2, FALSE())", "d"),
        ("FIND('9:16', {Formats})", "c"),
        ("SEARCH('READ', {Status})", "abc"),
        ("LEN({Title})>1", "d"),
        ("LEFT({Status}, 1) & RIGHT({Status}, 1) = 'Ry'", "abc"),
        ("CONCATENATE({Title}, '-', {Status})='a-Ready'", "a"),
        ("SWITCH({Title}, 'a', 1, 'b', 0, 1)", "acd"),
        ("REGEX_MATCH({Title}, '^[ab]$')", "ab"),
        ("FIND('it\\'s', {Title})", "d"),
        ('FIND("\\"d\\"", {Title})', "d"),
        ("", "abcd"),
    ],
)
def test_a_filter_finds_what_it_says(airtable: Board, formula: str, letters: str) -> None:
    assert found(airtable, formula) == letters


def test_record_ids_can_be_asked_for(airtable: Board) -> None:
    ids = [row["id"] for row in airtable.videos.all()]
    assert found(airtable, f"OR(RECORD_ID()='{ids[0]}', RECORD_ID()='{ids[2]}')") == "ac"


def test_what_pyairtable_builds_is_understood(airtable: Board) -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found(airtable, match({"Title": ROWS[3]["Title"], "Max Cost": 2.5})) == "d"
    assert found(airtable, match({"Generate": True, "Status": "Ready"})) == "b"
    assert found(airtable, match({"Scheduled For": moment})) == "a"
    assert found(airtable, match({"Scene Count": (">", 2), "Title": "b"}, match_any=True)) == "ab"
    assert found(airtable, f.AND(f.Field("Status").eq("Ready"), f.NOT(f.Field("Generate")))) == "ac"
    assert found(airtable, f.FIND("9:16", f.Field("Formats"))) == "c"


@pytest.mark.parametrize("formula", ["{Nope}=1", "AND(", "NOSUCH({Title})", "{Title}=='a'", "IF()", "'open", "LEN()"])
def test_a_wrong_formula_is_refused_even_when_no_row_would_reach_it(airtable: Board, formula: str) -> None:
    with pytest.raises(requests.HTTPError, match="INVALID_FILTER_BY_FORMULA"):
        airtable.videos.all(formula=formula)
