"""`make demo`: a row goes in, a film comes back, with every process as in production and the vendors emulated.

PROMPT, SCENES, SECONDS and MODEL vary it; VOICE=1 has a narrator speak; CAMPAIGN=1 makes 24 films of the same clips:
three hooks in four languages and two formats; JSON=1 prints one document instead of a show.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.domain.money import show, to_micro
from tools.stack import BASE, ROOT, Stack, StackError

PROMPT = (
    "A ceramic teacup travels from a potter's wheel in a mountain village to a rainy city window. "
    "Warm morning light, one calm hand-held camera, a hint of steam."
)
CAMPAIGN = {"Hooks": 3, "Languages": ["en", "de", "ar", "ja"], "Formats": ["16:9", "9:16"], "Captions": "Sidecar"}
PATIENCE_S = 600.0
STAGES = ("queued", "writing", "generating", "stitching", "delivering")
QUIET_FIELDS = {
    "Master Prompt",
    "Progress Page",
    "Video URL",
    "Scenes",
    "Final Video",
    "Poster",
    "Versions",
    "Variants",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the demo, from the environment."""

    prompt: str
    scenes: int
    seconds: float
    model: str
    voice: bool
    campaign: bool
    as_json: bool

    @classmethod
    def from_environ(cls) -> Wish:
        """Read PROMPT, SCENES, SECONDS, MODEL, VOICE, CAMPAIGN and JSON. Raises SystemExit with a sentence for
        nonsense.
        """

        def number(name: str, default: str) -> float:
            text = os.environ.get(name) or default
            try:
                return float(text)
            except ValueError:
                sys.exit(f"{name.removesuffix('_PER_CLIP')} must be a number, not {text!r}.")

        campaign = os.environ.get("CAMPAIGN", "") not in ("", "0")
        return cls(
            prompt=os.environ.get("PROMPT") or PROMPT,
            scenes=int(number("SCENES", "4")),
            seconds=number("SECONDS_PER_CLIP", "4"),
            model=os.environ.get("MODEL") or ("sora/sora-2" if campaign else "local/animatic"),
            voice=os.environ.get("VOICE", "") not in ("", "0"),
            campaign=campaign,
            as_json=bool(os.environ.get("JSON")),
        )


def main() -> int:
    """Start everything, make one film, say where it is."""
    wish, began = Wish.from_environ(), time.monotonic()
    quiet = wish.as_json or not sys.stdout.isatty()
    console = Console(quiet=quiet, highlight=False)
    var = ROOT / "var" / "demo"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    shutil.rmtree(var, ignore_errors=True)
    try:
        with console.status("Starting the sandbox, the database, the broker, web and worker …"):
            stack = Stack(var).__enter__()
        try:
            return _show(stack, wish, console, began)
        finally:
            stack.__exit__()
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _show(stack: Stack, wish: Wish, console: Console, began: float) -> int:
    row = {
        "Title": "Reelgrid demo",
        "Master Prompt": wish.prompt,
        "Scene Count": wish.scenes,
        "Clip Seconds": wish.seconds,
        "Model": wish.model,
        "Status": "Draft",
        "Voiceover": wish.voice,
        **(CAMPAIGN if wish.campaign else {}),
    }
    record = stack.add_row(row)
    # The very request that the script of `flask airtable script` sends.
    body = {"base_id": BASE, "table": "Videos", "record_id": record}
    started = stack.post("/api/process-record", body)
    started.raise_for_status()
    view = _watch(stack, started.json()["run_id"], console)
    result = _result(stack, view, record, began)
    if wish.as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        _tell(Console(highlight=False), result, view)
        _say_where(Console(highlight=False), stack, record, result)
    if sys.stdout.isatty() and not wish.as_json:
        _stay(stack)
    return 0 if view["status"] == "done" else 1


def _watch(stack: Stack, run_id: str, console: Console) -> dict[str, Any]:
    """Follow the run by long polls, with a bar: stage, clips done, cost so far."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    deadline = time.monotonic() + PATIENCE_S
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("queued", total=1.0, note="")
        view: dict[str, Any] = {}
        while time.monotonic() < deadline:
            view = stack.get(f"/api/runs/{run_id}", params={"wait": 2}).json()
            scenes = view.get("scenes", [])
            done = sum(any(clip["current"] for clip in scene["clips"]) for scene in scenes)
            note = f"{done}/{len(scenes)} clips · {show(to_micro(view['cost_usd']))}" if scenes else ""
            progress.update(task, completed=view["progress"], description=view["status"], note=note)
            if view["status"] in {"done", "failed", "cancelled", "needs_attention", "needs_approval"}:
                return view
            time.sleep(0.1)
    raise StackError(f"the run did not end in {PATIENCE_S:.0f} s; see {stack.var}/worker.log")


def _result(stack: Stack, view: dict[str, Any], record: str, began: float) -> dict[str, Any]:
    with suppress(StackError):
        _row_is_done(stack, record)
    record_now = stack.row(record)
    attached = [film["filename"] for film in record_now.get("Final Video", [])]
    current = {cut["filename"]: cut for cut in view["cuts"] if cut["current"]}
    cut: dict[str, Any] = next((current[name] for name in (*attached, *current) if name in current), {})
    calls = stack.sandbox("GET", "/airtable/_control/stats")["bases"].get(BASE, {}).get("calls", {})
    return {
        "run_id": view["run_id"],
        "status": view["status"],
        "error": view.get("error"),
        "file": str(_save(stack, cut)) if cut else None,
        "duration_s": cut.get("duration_s"),
        "width": cut.get("width"),
        "height": cut.get("height"),
        "cost_usd": view["cost_usd"],
        "quote_usd": view["quote_usd"],
        "airtable_calls": view.get("airtable_calls", sum(calls.values())),
        "record": record_now,
        "page_url": view["page_url"],
        "stages": _stages(view),
        "wall_s": round(time.monotonic() - began, 1),
    }


def _row_is_done(stack: Stack, record: str) -> None:
    from tools.stack import until

    final = {"Done", "Failed", "Needs Attention", "Needs Approval", "Cancelled"}
    until(lambda: stack.row(record).get("Status") in final, "the row's last status", 20.0)


def _save(stack: Stack, cut: dict[str, Any]) -> Path:
    """The film beside the demo's other files, downloaded by its permanent link."""
    path = ROOT / "var" / "demo" / str(cut["filename"])
    path.write_bytes(stack.get(cut["url"].removeprefix(stack.url)).content)
    return path


def _stages(view: dict[str, Any]) -> dict[str, float]:
    """Seconds in each status, from the history."""
    moments = [
        (datetime.fromisoformat(event["at"]).timestamp(), event["new"])
        for event in view["events"]
        if event["entity"] == "run" and event["name"] == "status"
    ]
    spans = itertools.pairwise(moments)
    lengths: dict[str, float] = {}
    for (start, status), (end, _) in spans:
        lengths[status] = round(lengths.get(status, 0.0) + end - start, 2)
    return {name: lengths[name] for name in (*STAGES, *lengths) if name in lengths}


def _tell(console: Console, result: dict[str, Any], view: dict[str, Any]) -> None:
    """What came out, for a person."""
    size = f"{result['width']}×{result['height']}, {result['duration_s']} s, H.264 + AAC" if result["file"] else ""
    console.print(f"\n[bold]{result['status'].upper()}[/bold]  {view.get('verdict') or view.get('error') or ''}")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("Format", size)
    quoted = "nothing was quoted" if result["quote_usd"] is None else f"of {show(to_micro(result['quote_usd']))} quoted"
    table.add_row("Spent", f"{show(to_micro(result['cost_usd']))} {quoted}")
    table.add_row("Stages", "  ".join(f"{name} {seconds:.1f} s" for name, seconds in result["stages"].items()))
    table.add_row("Wall", f"{result['wall_s']} s, {result['airtable_calls']} Airtable calls for this video")
    console.print(table)
    console.print()
    row = Table(title="The row, as Airtable has it now", title_justify="left", box=None, padding=(0, 2, 0, 0))
    row.add_column("Field", style="dim")
    row.add_column("Value", overflow="fold")
    for name, value in result["record"].items():
        if name not in QUIET_FIELDS:
            row.add_row(name, str(value))
    for item in result["record"].get("Final Video", []):
        row.add_row("Final Video", f"{item['filename']} · {item.get('type')} · {item.get('size')} bytes")
    console.print(row)
    if variants := str(result["record"].get("Variants", "")).splitlines():
        _tell_films(console, variants)


def _tell_films(console: Console, variants: Sequence[str]) -> None:
    """Each film of a campaign, and what it cost beside what all share: lines of `Variants` without their links."""
    table = Table(
        title=f"\nFilms, {len(variants)} from the same clips", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    for name in ("Film", "Cost"):
        table.add_column(name)
    for line in variants:
        *names, _link, cost = line.split(" · ")
        table.add_row(" · ".join(names), cost)
    console.print(table)


def _say_where(console: Console, stack: Stack, record: str, result: dict[str, Any]) -> None:
    """The last words: where film, row and page are, and for how long. Links are printed whole, to be clicked."""
    stays = sys.stdout.isatty()
    console.print()
    console.print(f"[bold]Film[/bold]  {result['file'] or 'none was made: see the page and the row'}", soft_wrap=True)
    console.print(
        f"[bold]Row[/bold]   {stack.sandbox_url}/  (Videos, {record}, in the emulated Airtable)", soft_wrap=True
    )
    console.print(f"[bold]Page[/bold]  {result['page_url']}", soft_wrap=True)
    until = "are there until you press Ctrl-C" if stays else "end with this command; in a terminal they stay for a look"
    console.print(f"The film is a file and stays. Row and page {until}.", soft_wrap=True)


def _stay(stack: Stack) -> None:
    """Leave everything running for a look around."""
    with suppress(KeyboardInterrupt):
        while stack.services["web"].alive:
            time.sleep(0.5)
