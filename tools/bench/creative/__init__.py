"""What makes more of a film for the same paid seconds, and finds it again."""

from __future__ import annotations

from typing import Any

from tools.bench.creative import searching, voices


def rows() -> list[dict[str, Any]]:
    """The rows of this section."""
    return [*voices.rows(), *searching.rows()]
