"""Whatever fits the description of the API, and whatever does not: answered, or refused by name; never a defect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig

from tests.web.two_accounts import MARK, belongings, customer
from tests.web.web_fixtures import BASE, BEARER, OUTSIDE, SORA, WebHarness
from webapp.api.openapi import description

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("described")]

EXAMPLES = 12
"""Of each operation, for each caller: so many requests that fit, and so many that do not."""
LAST = ("/api/stop", "revoke", "rotate", "DELETE")
"""What would end that others are tried."""
CONFIG = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})


@dataclass(frozen=True)
class Described:
    """An application with a base, what describes it, the ids of what is there, and who asks: operator and customer."""

    schema: Any
    ids: Mapping[str, str]
    callers: tuple[Mapping[str, str], ...]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    with WebHarness(tmp_path_factory.mktemp("described"), {**OUTSIDE, **SORA}, airtable=True) as harness:
        harness.services.base_tools.setup(BASE, ["sora/sora-2"])
        who = customer(harness, MARK)
        schema = schemathesis.openapi.from_wsgi("/openapi.json", harness.app, config=CONFIG)
        yield Described(schema, belongings(harness, who), (BEARER, who.headers))


def operations() -> list[str]:
    """What only looks comes first."""
    found = [f"{method.upper()} {path}" for path, ways in description("https://x")["paths"].items() for method in ways]
    return sorted(found, key=lambda one: (any(name in one for name in LAST), not one.startswith("GET"), one))


def fault(answer: Any) -> str | None:
    """What is not as promised of an answer."""
    kind = (answer.headers.get("content-type") or [""])[0].partition(";")[0]
    if answer.status_code >= 500:
        return "somebody else's fault, or a defect"
    if answer.status_code < 400:
        return None
    if kind != "application/problem+json":
        return f"refused as {kind}"
    problem = json.loads(answer.content)
    told = problem["detail"] and all(one["message"] for one in problem["errors"])
    named = bool(problem["errors"]) and all(one["field"] for one in problem["errors"])
    return None if told and (named or answer.status_code not in {400, 422}) else "refused, and nobody knows why"


def ask(requests: SearchStrategy[Case[Any]], key: Mapping[str, str]) -> None:
    """The same ones each time."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def one(case: Case[Any]) -> None:
        answer = case.call(headers=dict(key))
        assert fault(answer) is None, f"{case.as_curl_command()}\n{answer.status_code} {answer.content[:500]!r}"

    one()


@pytest.mark.parametrize("operation", operations())
def test_every_request_is_answered_or_refused_by_name(described: Described, operation: str) -> None:
    method, path = operation.split(" ")
    found = described.schema[path][method]
    ids = {name: value for name, value in described.ids.items() if f"{{{name}}}" in path}
    if path == "/api/runs/{run_id}/events":
        # Of one that is over: the stream of another is held.
        ids["run_id"] = f"run_{MARK}"
    told = description("https://x")["paths"][path][method.lower()]
    takes_something = "requestBody" in told or any(one["in"] == "query" for one in told.get("parameters", ()))
    for mode in GenerationMode if takes_something else (GenerationMode.POSITIVE,):
        for key in described.callers:
            ask(found.as_strategy(generation_mode=mode, path_parameters=ids or None), key)
