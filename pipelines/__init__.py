"""The core of Reelgrid."""

import sys

__version__ = "0.1.0"

# httpx loads a command line of its own, with colours and all, wherever their libraries happen to be installed: 5 MB in
# every process, of what no process of ours asks for. It goes without when it cannot be had.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
