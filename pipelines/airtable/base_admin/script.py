"""What has to be pasted into Airtable by hand, with this deployment's values in it."""

from __future__ import annotations

import json
from pathlib import Path

_TEMPLATE = Path(__file__).with_name("automation.js")


def automation_script(public_url: str, table: str) -> str:
    """The text of the automation's "Run a script" action, for a table by name or id; it holds no secret."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    values = {"__SERVICE_URL__": public_url, "__TABLE__": table}
    for mark, value in values.items():
        text = text.replace(mark, json.dumps(value, ensure_ascii=False))
    return text


def button_formula(public_url: str, page_field: str, base_id: str | None = None) -> str:
    """The formula of a button field with the action "Open URL": the signed page of the row once that is filled, which
    needs no key to be looked at, else one that asks who is there. Nothing starts by itself on either. `base_id` is
    named for every base but the default one, in which an unknown row would be looked for otherwise.
    """
    row = f'"{public_url}/r/" & RECORD_ID()' + (f' & "?base_id={base_id}"' if base_id else "")
    return f"IF({{{page_field}}}, {{{page_field}}}, {row})"
