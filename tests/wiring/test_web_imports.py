"""What the web process loads, and what its routes promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    "pipelines.sandbox",
    "worker",
    "x402",
)

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
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert not [name for name in HEAVY if name in loaded]
