"""`python -m pipelines.sandbox`: the emulated vendors on one port, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from pipelines.sandbox.app import Sandbox


def main(argv: list[str] | None = None) -> int:
    """Serve; the first line on standard output is the address."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8100, help="0 takes a free port (default: 8100)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state", type=Path, help="directory that keeps everything across restarts and kills")
    parser.add_argument("--public-url", default="", help="the address under which others reach the sandbox")
    options = parser.parse_args(argv)
    sandbox = Sandbox(host=options.host, port=options.port, state=options.state, public_url=options.public_url)
    signal.signal(signal.SIGTERM, _leave)
    sys.stdout.write(f"{sandbox.url}\n")
    sys.stdout.flush()
    try:
        sandbox.serve()
    except KeyboardInterrupt:
        return 0
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
