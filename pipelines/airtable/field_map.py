"""What a base calls our tables and fields, where that differs: the file behind `FIELD_MAP`.

TOML or JSON. Keys are the contract's names, values a name or an id of the base:

    [tables]
    Videos = "Filme"

    [fields.Videos]
    "Master Prompt" = "Drehbuch"
    Status = "fldAbCdEfGhIjKlMn"

    [bases.appAbCdEfGhIjKlMn.fields.Videos]     # only for this base
    "Master Prompt" = "Brief"
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.airtable.schema import TABLES
from pipelines.domain.errors import NotConfigured

FIELD_ID = re.compile(r"fld[A-Za-z0-9]{14}", re.ASCII)
TABLE_ID = re.compile(r"tbl[A-Za-z0-9]{14}", re.ASCII)
RECORD_ID = re.compile(r"rec[A-Za-z0-9]{14}", re.ASCII)

_Names = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Replacements for the contract's names. An empty one keeps them all."""

    tables: Mapping[str, str] = field(default_factory=dict)
    fields: _Names = field(default_factory=dict)
    bases: Mapping[str, FieldMap] = field(default_factory=dict)

    def for_base(self, base_id: str) -> FieldMap:
        """The map of one base: its own part over the common one."""
        own = self.bases.get(base_id)
        if own is None:
            return FieldMap(self.tables, self.fields)
        names = {table.name: {**self.fields.get(table.name, {}), **own.fields.get(table.name, {})} for table in TABLES}
        return FieldMap({**self.tables, **own.tables}, names)

    def table(self, name: str) -> str:
        """The base's name or id of one of our tables."""
        return self.tables.get(name, name)

    def field(self, table: str, name: str) -> str:
        """The base's name or id of one of our fields."""
        return self.fields.get(table, {}).get(name, name)


def load_field_map(path: Path | None) -> FieldMap:
    """Read the file. Raises NotConfigured naming every entry that is no table or field of ours."""
    if path is None:
        return FieldMap()
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise NotConfigured(f"FIELD_MAP: {path} cannot be read: {error}") from error
    problems: list[str] = []
    mapped = _parse(data, problems)
    if problems:
        raise NotConfigured("FIELD_MAP: " + " ".join(problems))
    return mapped


def _parse(data: Any, problems: list[str], where: str = "") -> FieldMap:
    if not isinstance(data, dict):
        problems.append(f"{where or 'the file'} must be a table.")
        return FieldMap()
    allowed = {"tables", "fields"} | (set() if where else {"bases"})
    problems += [f"{where}{key} is unknown; allowed are {', '.join(sorted(allowed))}." for key in set(data) - allowed]
    known = {spec.name: {item.name for item in spec.fields} for spec in TABLES}
    tables = _names(data.get("tables", {}), set(known), f"{where}tables", problems)
    fields = {
        name: _names(part, known.get(name, set()), f"{where}fields.{name}", problems)
        for name, part in _section(data, "fields", set(known), where, problems).items()
    }
    own = data.get("bases", {})
    if not isinstance(own, dict):
        problems.append("bases must be a table.")
        own = {}
    bases = {base_id: _parse(part, problems, f"bases.{base_id}.") for base_id, part in own.items()}
    return FieldMap(tables, fields, bases)


def _section(data: dict[str, Any], key: str, known: set[str], where: str, problems: list[str]) -> dict[str, Any]:
    section = data.get(key, {})
    if not isinstance(section, dict):
        problems.append(f"{where}{key} must be a table.")
        return {}
    problems += [f"{where}{key}.{name} is no table of ours." for name in section if name not in known]
    return {name: part for name, part in section.items() if name in known}


def _names(part: Any, known: set[str], where: str, problems: list[str]) -> dict[str, str]:
    if not isinstance(part, dict):
        problems.append(f"{where} must be a table.")
        return {}
    problems += [f"{where}: {name!r} is no name of ours." for name in part if name not in known]
    problems += [f"{where}: {name!r} must be a text." for name, to in part.items() if not isinstance(to, str) or not to]
    return {name: to for name, to in part.items() if name in known and isinstance(to, str) and to}
