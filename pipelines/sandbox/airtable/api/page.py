"""The front page for people: bases with their rows, what the vendors did, and the bill."""

from __future__ import annotations

from typing import Any

from flask import render_template_string

from pipelines.sandbox.airtable.cells.render import Row
from pipelines.sandbox.airtable.state.model import Base, Json, Table
from pipelines.sandbox.airtable.state.store import World

MAX_ROWS = 50

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Reelgrid sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent) }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem }
html { background: Canvas; color: CanvasText } a { color: light-dark(#0645ad, #8ab4f8) }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2.25rem 0 .25rem }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem } p, small { color: color-mix(in srgb, currentColor 70%, transparent) }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px }
table { border-collapse: collapse; font-size: 13px; width: 100% }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }
th { white-space: nowrap; font-weight: 600 } td { min-width: 4.5rem; max-width: 22rem; overflow-wrap: anywhere }
td.long { min-width: 18rem }
tr:last-child td { border-bottom: 0 } code { font-size: 13px }
th:first-child, td:first-child { position: sticky; left: 0; background: Canvas }
@media (max-width: 40rem) { td.long { min-width: 14rem } th:first-child, td:first-child { max-width: 9rem } }
summary { cursor: pointer }
video, img { display: block; max-width: 220px; max-height: 160px; border-radius: 6px; margin-bottom: .25rem }
</style></head><body><main>
{% macro folded(text) %}{% if text|length > 220 %}
<details><summary>{{ text|truncate(160, end="…") }}</summary>{{ text }}</details>
{%- else %}{{ text }}{% endif %}{% endmacro %}
<h1>Reelgrid sandbox</h1>
<p>Emulated Airtable, OpenAI and video providers. Any token starting with <code>pat</code> opens Airtable,
for instance <code>patSandbox.demo</code>. Reload to see what changed.</p>
{% for base in bases %}
<h2>{{ base.name }} <small><code>{{ base.id }}</code></small></h2>
{% for table in base.tables %}
<h3>{{ table.name }} <small>{{ table.total }} rows <code>{{ table.id }}</code></small></h3>
{% if table.rows %}<div class="scroll" tabindex="0" role="region" aria-label="{{ table.name }}">
<table><tr>{% for name in table.names %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in table.rows %}<tr>{% for cell in row %}<td{% if cell.text|length > 60 %} class="long"{% endif %}>
{%- for file in cell.files %}
{%- if file.type.startswith("video/") %}<video src="{{ file.url }}" controls preload="none"
{%- if file.poster %} poster="{{ file.poster }}"{% endif %}></video>
{%- elif file.type.startswith("image/") %}<img src="{{ file.url }}" alt="{{ file.filename }}" loading="lazy">{% endif %}
<a href="{{ file.url }}">{{ file.filename }}</a>{% endfor %}
{%- if cell.link %}<a href="{{ cell.text }}">{{ cell.text }}</a>{% else %}{{ folded(cell.text) }}{% endif %}</td>
{%- endfor %}</tr>{% endfor %}</table></div>{% else %}<p>No rows.</p>{% endif %}
{% else %}<p>No tables yet: <code>flask airtable setup</code> makes them.</p>{% endfor %}
{% endfor %}
<h2>Vendors</h2>
{% set idle = vendors|rejectattr(1)|map(attribute=0)|list %}
{% for title, rows in vendors if rows %}<h3>{{ title }}</h3>
<div class="scroll" tabindex="0" role="region" aria-label="{{ title }}">
<table><tr>{% for name in rows[0] %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for name in rows[0] %}
<td{%- if row[name]|string|length > 60 %} class="long"{% endif %}>{{ folded(row[name]|string) }}</td>
{%- endfor %}</tr>{% endfor %}</table></div>{% endfor %}
{% if idle %}<p>Nothing was asked of {{ idle|join(", ") }}.</p>{% endif %}
<p><a href="/bill">The bill as JSON</a> · <a href="/airtable/_control/stats">Airtable calls as JSON</a> ·
<a href="/hooks">Webhooks received</a></p>
</main></body></html>"""


def render(world: World, vendors: list[tuple[str, list[dict[str, str]]]]) -> str:
    """The page's HTML. Names and cells are escaped by the template."""
    with world.lock:
        bases = [_base(world, base) for base in world.bases.values()]
    return render_template_string(_TEMPLATE, bases=bases, vendors=vendors)


def _base(world: World, base: Base) -> Json:
    return {"id": base.id, "name": base.name, "tables": [_table(world, base, table) for table in base.tables]}


def _table(world: World, base: Base, table: Table) -> Json:
    rows = [Row(world, base, table, record) for record in list(table.records.values())[-MAX_ROWS:]]
    filled = [c for c in table.fields if any(row.json(c) not in (None, [], "") for row in rows)]
    return {
        "id": table.id,
        "name": table.name,
        "total": len(table.records),
        "names": [column.name for column in filled],
        "rows": [[_cell(row, column) for column in filled] for row in rows],
    }


def _cell(row: Row, column: Any) -> Json:
    if column.type == "multipleAttachments":
        return {"files": [_file(one) for one in row.json(column) or []], "text": "", "link": False}
    text = row.text(column)
    return {"files": [], "text": text, "link": column.type == "url" and text.startswith(("http://", "https://"))}


def _file(shown: Json) -> Json:
    poster = shown.get("thumbnails", {}).get("large", {}).get("url", "")
    return {"url": shown["url"], "filename": shown["filename"], "type": shown.get("type", ""), "poster": poster}
