"""Brands as the base has them: read by id, left alone in bases that have none of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.domain.errors import RecordGone
from pipelines.domain.footage import Captions
from tests.airtable.airtable_fixtures import BASE, MODELS, AirtableHarness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AirtableHarness]:
    with AirtableHarness(tmp_path) as harness:
        yield harness


def test_a_brand_is_read_through_the_link_of_a_row(harness: AirtableHarness) -> None:
    harness.build()
    fields = {"Name": "Lumen", "Primary Colour": "05f", "Accent Colour": "sunny", "Caption Style": "Karaoke"}
    brand = harness.add("Brands", {**fields, "Problems": "Old words"})
    video = harness.add("Videos", {"Prompt": "A cat", "Brand": [brand], "Title Card": "Mine"})
    row = harness.tools.airtable.row(BASE, "Videos", video)
    assert (row.brand_id, row.given) == (brand, ("scenes", "title_card"))
    found = harness.tools.airtable.brand(BASE, brand)
    assert found is not None
    assert (found.brand.primary_colour, found.brand.caption_style) == ("#0055FF", Captions.KARAOKE)
    assert found.brand.told == "Old words"
    assert found.brand.notes == ("Accent Colour must be a colour such as #0055FF; it is “sunny”.",)
    assert [one.record_id for one in harness.tools.airtable.brands(BASE)] == [brand]
    with pytest.raises(RecordGone):
        harness.tools.airtable.brand(BASE, video)


def test_a_base_of_before_has_no_brands_whatever_it_calls_brand(harness: AirtableHarness) -> None:
    fields = [{"name": name, "type": "singleLineText"} for name in ("Title", "Prompt", "Brand")]
    harness.control("POST", f"bases/{BASE}/tables", {"name": "Videos", "fields": fields})
    video = harness.add("Videos", {"Title": "Shoes", "Prompt": "A shoe", "Brand": "Nike"})
    row = harness.tools.airtable.row(BASE, "Videos", video)
    assert (row.brand_id, row.problems) == (None, ())
    assert harness.tools.airtable.brand(BASE, "recNobodysBrand00") is None
    assert harness.tools.airtable.brands(BASE) == []


def test_setup_links_a_base_that_was_built_before_there_were_brands(harness: AirtableHarness) -> None:
    fields = [{"name": "Title", "type": "singleLineText"}]
    harness.control("POST", f"bases/{BASE}/tables", {"name": "Videos", "fields": fields})
    report = harness.tools.setup(BASE, MODELS)
    assert {"Brands", "Videos.Brand"} <= set(report.created)
    assert harness.tools.setup(BASE, MODELS).created == ()
