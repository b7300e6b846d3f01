"""The paid vendors of the sandbox as HTTP servers with one shared bill."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import flask

from pipelines.sandbox.vendors import byteplus, control, elevenlabs, fal, minimax
from pipelines.sandbox.vendors.google import gemini, veo
from pipelines.sandbox.vendors.kernel.engine import Engine, engine
from pipelines.sandbox.vendors.kie import server as kie
from pipelines.sandbox.vendors.openai import server as openai
from pipelines.sandbox.vendors.openrouter import server as openrouter

NEWEST = 50


def register(app: flask.Flask, *, public_url: Callable[[], str]) -> None:
    """Mount every vendor, the control plane and `GET /bill` on the app.

    `public_url` gives the address under which the sandbox reaches itself, for links in answers.
    `app.config["STATE_DIR"]` (or the environment's `SANDBOX_STATE`) makes jobs and bill survive a kill.
    """
    folder = app.config.get("STATE_DIR") or os.environ.get("SANDBOX_STATE")
    found = Engine(Path(folder) if folder else None, public_url)
    app.extensions["sandbox_vendors"] = found
    for vendor in (openai, gemini, kie, openrouter, veo, minimax, byteplus, fal, elevenlabs):
        vendor.register(app, found)
    app.register_blueprint(control.blueprint())
    found.resume()


def summary() -> list[tuple[str, list[dict[str, str]]]]:
    """Titled tables for the front page: the newest jobs and the bill by model. Needs an application context."""
    found, now = engine(), time.time()
    bill = found.bill()
    with found.books.lock:
        newest = list(found.books.jobs.values())[-NEWEST:][::-1]
    jobs = [
        {
            "Vendor": job.vendor,
            "Model": job.model,
            "Prompt": job.prompt,
            "Status": str(job.phase(now)),
            "Clip": f"{job.seconds:g} s, {job.size}",
            "Cost": f"${job.usd:.3f}" if job.charged(now) else "–",
            "Colour": job.colour,
        }
        for job in newest
    ]
    by_model = [
        {"Model": name, "Generations": str(entry["count"]), "Cost": f"${entry['usd']:.3f}"}
        for name, entry in bill["by_model"].items()
    ]
    by_model.append({"Model": "Text", "Generations": str(bill["text_requests"]), "Cost": f"${bill['text_usd']:.4f}"})
    by_model.append({"Model": "Total", "Generations": str(bill["charged_count"]), "Cost": f"${bill['total_usd']:.3f}"})
    return [("Videos", jobs), ("Bill", by_model)]
