"""What makes more of a film for the same paid seconds, and finds it again."""

from __future__ import annotations

from tools.bench.creative import searching, voices
from tools.bench.measure.rows import Claim


def rows() -> list[Claim]:
    """The rows of this section."""
    return [*voices.rows(), *searching.rows()]
