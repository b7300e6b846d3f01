"""What a film costs is counted the same each time, so that what grows shows in the diff of docs/explanation/cost.md."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, event, text

from tools.docs.inside.cost import AIRTABLE, CALLS, COMMITS, COPIES, PROCESSES, STATEMENTS, traced


@pytest.mark.slow
def test_a_film_costs_the_same_each_time_and_one_statement_more_shows() -> None:
    traced(1)
    found = traced(1)
    assert traced(1) == found
    assert {column for _, column in found} == {STATEMENTS, COMMITS, AIRTABLE, CALLS, PROCESSES, COPIES}
    asked: list[object] = []

    def once_more(connection: object, _cursor: object, _statement: object, *_rest: object) -> None:
        if not asked and found:
            asked.append(connection)
            connection.execute(text("SELECT 1"))  # type: ignore[attr-defined]

    event.listen(Engine, "after_cursor_execute", once_more)
    try:
        grown = traced(1)
    finally:
        event.remove(Engine, "after_cursor_execute", once_more)
    assert grown != found
    assert sum(grown.values()) >= sum(found.values()) + 1
