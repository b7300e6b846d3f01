"""Write the snapshots of what others see anew: `make snapshots`. Look at the diff before committing it."""

from __future__ import annotations

from tools.snapshots import FOLDER, stale
from tools.stack import ROOT


def main() -> None:
    """Write what has changed, and say which files that were."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in stale():
        path.write_text(text, "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
