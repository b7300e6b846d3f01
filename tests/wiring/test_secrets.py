"""No secret is committed: what looks like one stands only where a test or a page makes one up."""

from __future__ import annotations

import re
import subprocess

from tools.stack import ROOT

SECRETS = re.compile(
    r"\bsk-(?:proj-)?[A-Za-z0-9_-]{24,}|\bAIza[A-Za-z0-9_-]{30,}|\bpat[A-Za-z0-9]{14}\.[0-9a-f]{48,}"
    r"|\bwhsec_[A-Za-z0-9+/=]{24,}|\bAKIA[0-9A-Z]{16}\b|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----"
    r"|\brg_[0-9a-f]{12}_[A-Za-z0-9_-]{16,}|\bghp_[A-Za-z0-9]{30,}|\bxox[bap]-[A-Za-z0-9-]{20,}"
)


def test_no_tracked_file_holds_what_looks_like_a_secret() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name and not name.startswith("tests/")]
    found = [
        f"{name}: {match.group()[:12]}…"
        for name in names
        if (ROOT / name).is_file()
        for match in SECRETS.finditer((ROOT / name).read_text("utf-8", errors="ignore"))
    ]
    assert found == []
