"""What has to be pasted into Airtable by hand, with this deployment's values in it."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.airtable.field_map import FieldMap
from pipelines.domain.board_fields import BoardTable

_TEMPLATE = Path(__file__).with_name("automation.js")


def automation_script(public_url: str, field_map: FieldMap) -> str:
    """The text of the automation's "Run a script" action; it holds no secret."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    values = {"__SERVICE_URL__": public_url, "__TABLE__": field_map.table(BoardTable.VIDEOS)}
    for mark, value in values.items():
        text = text.replace(mark, json.dumps(value, ensure_ascii=False))
    return text


def button_formula(public_url: str) -> str:
    """The formula of a button field with the action "Open URL": a page on which nothing starts by itself."""
    return f'"{public_url}/r/" & RECORD_ID()'
