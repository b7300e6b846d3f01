"""JSON that is not ours to type: what a vendor answered, what the history tells, what a row of Airtable says."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""Kept and shown as it is. Nothing that decides anything is read from it by key."""
