"""`python -m tools.demo.buy "A fox at dawn"`: one clip bought by x402 at $URL with the stock client, no account and no
key; the money is the sandbox's.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Mapping
from typing import Any

import requests
from x402 import x402ClientSync
from x402.http.clients import x402_requests

from pipelines.sandbox.x402.signatures import Wallet
from tools.demo.wallet import WalletScheme

LONGEST_S = 320.0
"""The end of a run is waited for by the other side, for five minutes at most."""


def buyer() -> requests.Session:
    """Pays whatever asks for at most five dollars, out of a new wallet."""
    client = x402ClientSync()
    client.set_spend_controls({"max_amount_per_payment": "$5"})
    client.register("eip155:*", WalletScheme(Wallet()))
    session: requests.Session = x402_requests(client)
    return session


def buy(url: str, prompt: str) -> Mapping[str, Any]:
    """The run that was paid for, at its end."""
    once = {"Idempotency-Key": str(uuid.uuid4())}
    paid = buyer().post(f"{url}/api/generate-video", json={"prompt": prompt, "seconds": 4}, headers=once, timeout=60)
    paid.raise_for_status()
    token = {"Authorization": f"Bearer {paid.json()['access_token']}"}
    seen = requests.get(paid.json()["status_url"], params={"poll": "true"}, headers=token, timeout=LONGEST_S)
    seen.raise_for_status()
    run: Mapping[str, Any] = seen.json()
    return run


def main() -> int:
    """Buy one clip and say what came of it."""
    if len(sys.argv) != 2 or "URL" not in os.environ:
        sys.exit(f"Usage: URL=http://… {sys.argv[0]} PROMPT")
    run = buy(os.environ["URL"], sys.argv[1])
    print(f"{run['run_id']} {run['status']}\n{run['result']}")
    return 0 if run["status"] == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
