"""docs/reference/http.md, from the operations of the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tools.docs.command_line import application
from webapp.access import rules
from webapp.access.rules import Door
from webapp.agents import tools
from webapp.api.legacy.orders import LEGACY_FIELDS
from webapp.api.openapi import about, description, resolve
from webapp.api.operations import Operation

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "http.md"
HEAD = """# HTTP

Generated from the request and answer models; the same as `/openapi.json` and `/docs` of a running deployment.

Everything is JSON. Send `Authorization: Bearer <key>`; on this machine, without keys, everything is open. Errors are
RFC 9457 problem documents (`application/problem+json`) whose `errors` list every problem as `{field, message}`, with an
empty field where the request as a whole is refused; 401 comes before 404. 429 and 503 say in `Retry-After` when to try
again; nothing was started then. `Idempotency-Key` is honoured on every POST for a day, also where the first
answer never came. `dry_run: true` on every POST that could spend answers with plan, quote and problems, and spends
nothing. Lists take `limit` (1–200) and `cursor`, which is `next_cursor` of the page before. Bodies have at most 64 KiB,
a batch 1 MiB.
"""
TAIL = """
## Beside the API

| address | is |
|---|---|
| `POST /api/webhook/{vendor}` | of an account (`openai`, `gemini`): Standard Webhooks, verified |
| `POST /api/webhook/{provider}/{token}` | of one job, by our token: `kie`, `fal`, `openrouter`, `sora`, `omni` … |
| `POST /api/webhook/airtable` | Airtable's pings, verified with the MAC secret of the base's webhook |
| `GET /`, `/r/{record_id}`, `/runs/{id}` | pages for people: by signed link, or after signing in with a key |
| `GET /v/{token}` | the permanent link to a cut; Range and HEAD; `?download=1` saves it |
| `GET /media/{token}/{name}` | a signed, expiring link to a file; Range and HEAD |
| `GET /health` | 200 while the process answers |
| `GET /ready` | 200 when database and storage answer, else 503; each dependency by name |
| `GET /metrics` | Prometheus; needs a key with `read` |
| `POST /mcp` | the Model Context Protocol, for [agents](../how-to/agents.md) |
| `GET /llms.txt` | what this is, for language models |
"""
LEGACY_HEAD = """
## Words of earlier systems

Understood in the bodies of `generate-video`, `process-master-prompt` (with its own prompt) and `estimate`, in the
orders of a batch and in signed orders. Whoever
orders so is answered so, too: with `state`, `taskId`, `task_id` and `generationId`. So does
`GET /api/runs/{run_id}?poll=true`.

| said | means |
|---|---|
"""
AGENTS = """
## Tools for agents

At `POST /mcp`. Arguments and results are those of the operation; where money is spent, `max_price_usd` is required.

| tool | is |
|---|---|
"""
DOORS = """
## Doors

An address or command that does not declare its door is not served: the application does not start.

| door | what the caller shows |
|---|---|
| key | `Authorization: Bearer <key>` |
| session | signed in with a key at `/sign-in` |
| link | signed in, or the signed link of what is shown |
| action link | a link of the row's `Decide`, which names its one act and is spent by it |
| share | nothing more: the address itself cannot be guessed |
| webhook signature | a signature over the message, or the token that only its sender was given |
| public | nothing |
| console | a shell of the deployment: every `flask` command |

Behind it is what belongs to the caller's *account* (the operator sees all; another's is answered like what is not
there), to the *operator* alone, what the token in the *address* names, or what belongs to *nobody*.

| address | door | whose | scope |
|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    api = description("")
    parts = [HEAD]
    for tag in api["tags"]:
        parts.append(f"\n## {tag['name']}\n\n{tag['description']}\n")
        parts += [
            _operation(method, path, entry)
            for path, methods in api["paths"].items()
            for method, entry in methods.items()
            if tag["name"] in entry["tags"]
        ]
    parts.append("\n## Answers\n")
    shown = {name: schema for name, schema in api["components"]["schemas"].items() if name not in _sent(api)}
    parts += [f"\n### {name}\n\n{schema.get('description', '')}\n\n{_fields(schema)}" for name, schema in shown.items()]
    rows = [
        f"| `{name}` | [`{entry.method} {entry.path}`](#{_anchor(entry)}) |\n"
        for name, entry in tools.offered().items()
    ]
    return "".join(parts) + TAIL + LEGACY_HEAD + _legacy_fields() + AGENTS + "".join(rows) + _doors()


def _doors() -> str:
    """Every address with its door, from the application itself."""
    app = application()
    routes = sorted(app.url_map.iter_rules(), key=lambda route: (route.rule, sorted(route.methods or ())))
    rows = []
    for route in routes:
        rule = rules.rule_of(app.view_functions[route.endpoint])
        methods = " ".join(sorted((route.methods or set()) - {"HEAD", "OPTIONS"}))
        if rule is not None:
            scope = f"`{rule.scope}`" if rule.door in _ASKED else ""
            rows.append(f"| `{methods} {_plain(route.rule)}` | {rule.door} | {rule.owner} | {scope} |\n")
    return DOORS + "".join(rows)


_ASKED = (Door.KEY, Door.SESSION, Door.LINK, Door.ACTION)


def _legacy_fields() -> str:
    return "".join(f"| `{said}` | {means} |\n" for said, means in LEGACY_FIELDS.items())


def _anchor(entry: Operation) -> str:
    """The heading of an operation, as GitHub links to it."""
    return re.sub(r"[^a-z0-9_-]", "", f"{entry.method} {entry.path}".lower().replace(" ", "-"))


def _plain(rule: str) -> str:
    """An address of Flask's as the API writes it."""
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule)


def _sent(api: dict[str, Any]) -> set[str]:
    bodies = [e["requestBody"] for methods in api["paths"].values() for e in methods.values() if "requestBody" in e]
    return {_name(ref) for body in bodies for ref in _refs(body)}


def _refs(body: dict[str, Any]) -> list[dict[str, Any]]:
    schemas = [kind["schema"] for kind in body.get("content", {}).values()]
    return [ref for schema in schemas for ref in schema.get("anyOf", [schema])]


def _name(ref: dict[str, Any]) -> str:
    return str(ref["$ref"]).rsplit("/", 1)[-1]


def _operation(method: str, path: str, entry: dict[str, Any]) -> str:
    lines = [f"\n### `{method.upper()} {path}`\n\n{entry['description']}\n"]
    query = [p for p in entry.get("parameters", []) if p["in"] == "query"]
    if query:
        rows = "".join(f"| `{p['name']}` | {_kind(p['schema'])} | {p['description']} |\n" for p in query)
        lines.append(f"\n| query | | |\n|---|---|---|\n{rows}")
    refs = _refs(entry["requestBody"]) if "requestBody" in entry else []
    for n, ref in enumerate(refs):
        lead = "\nBody:\n\n" if n == 0 else "\nOr:\n\n"
        lines.append(lead + _fields(resolve(ref)))
    answers = [f"{code} {_link(answer)}".strip() for code, answer in entry["responses"].items() if code < "300"]
    problems = ", ".join(code for code in entry["responses"] if code >= "300")
    lines.append(f"\nAnswers: {', '.join(answers)}. Problems: {problems}.\n")
    return "".join(lines)


def _link(answer: dict[str, Any]) -> str:
    names = [_name(ref) for ref in _refs(answer)]
    return " or ".join(f"[{name}](#{name.lower()})" for name in names)


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{name}`{' (required)' if name in required else ''} | {_kind(field)} | {_about(field)} |"
        for name, field in schema.get("properties", {}).items()
    ]
    return "| field | | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _about(field: dict[str, Any]) -> str:
    text = about(field)
    default = field.get("default")
    return f"{text} Default `{default}`.".strip() if default not in (None, [], "") else text


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("type", "any")) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low:,.10g}–{high:,.10g}"
    return f" ≤ {schema['maxLength']:,} characters" if "maxLength" in schema else ""


PAGES = {PAGE: page}
