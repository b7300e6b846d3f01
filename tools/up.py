"""`make up`: web and worker by the Procfile's commands on the settings in `.env`; both end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.stack import ROOT, procfile

GRACE_S = 25.0


def main() -> int:
    """Start both, wait for one to end or for Ctrl-C, end the other."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    environ = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    running = {
        name: subprocess.Popen(command, shell=True, cwd=ROOT, env=environ) for name, command in procfile().items()
    }
    asked = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.2)
    except KeyboardInterrupt:
        asked = True
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for name, process in running.items():
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"{name} did not end in {GRACE_S:.0f} s and is killed\n")
            process.kill()
    return 0 if asked else 1


if __name__ == "__main__":
    sys.exit(main())
