"""The reference page of the emulated Airtable names every setting and every formula function, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from pipelines.sandbox.airtable.formulas.formula import known_functions
from pipelines.sandbox.airtable.state.limits import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox-airtable.md").read_text()


def test_every_setting_is_in_the_table_of_faults() -> None:
    table = PAGE.partition("| fault or setting |")[2]
    named = {
        name for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert named - {"lockout_now_s"} - {"base"} == {f.name for f in fields(Settings)}


def test_every_function_is_in_the_list_of_formulas() -> None:
    paragraph = PAGE.partition("Formulas know")[2].partition("\n\n")[0]
    listed = set(re.findall(r"\b[A-Z][A-Z_]*\b", paragraph))
    assert listed == {name for name in known_functions() if name.isidentifier()} - {"NEGATE"}
