"""`make demo-shop`: a customer with credits orders two films and is told of them; a stranger with a wallet buys one.

Everything as in production, the vendors, the wallet and the customer's receiver emulated. JSON=1 prints one document.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from standardwebhooks import Webhook

from pipelines.domain.errors import ReelgridError
from tools.demo.buy import buy
from tools.stack import ROOT, Stack, StackError, until

PATIENCE_S = 180.0
PRICES = """\
[[rules]]                     # A clip of Sora costs the operator ten cents a second, and a customer:
model = "sora/*"
per_clip_usd = 0.10           # ten credits for each clip …
per_second_usd = 0.15         # … and fifteen more for each second
"""
PAY_TO = f"0x{'12' * 20}"
FILMS = {"paper-boat": "A paper boat crosses a rainy street", "teacup": "A teacup on a window sill, steam rising"}
BOUGHT = "A fox at dawn"
STRIPE_SECRET = "whsec_sandbox"


class ShopStack(Stack):
    """A deployment that sells: a price list, Stripe's Payment Link, and a wallet for x402."""

    def settings(self) -> dict[str, str]:
        """The operator's settings, those for selling on top."""
        here = self.sandbox_url
        return super().settings() | {
            "VIDEO_MODEL": "sora/sora-2",
            "PRICE_LIST": str(self.var / "prices.toml"),
            "STRIPE_PAYMENT_LINK": f"{here}/stripe/pay",
            "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
            "X402_PAY_TO": PAY_TO,
            "X402_FACILITATOR_URL": f"{here}/x402",
            "X402_RPC_URL": f"{here}/x402/chain",
        }

    def prepare(self) -> None:
        """The price list; where the emulated Stripe tells of payments; and the settings, for other terminals."""
        self.var.joinpath("prices.toml").write_text(PRICES, "utf-8")
        super().prepare()
        self.sandbox("POST", "/stripe/endpoint", {"url": f"{self.url}/api/webhook/stripe", "secret": STRIPE_SECRET})
        # With a key of the operator's the doors are closed, as outside this machine.
        self.flask("keys", "create", "operator", "--scope", "read")
        told = self.settings() | {"URL": self.url, "SANDBOX": self.sandbox_url}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(told.items())]
        self.env_file.write_text("\n".join(lines) + "\n", "utf-8")

    @property
    def env_file(self) -> Path:
        """What a shell reads to be the operator of this shop."""
        return self.var / "shop.env"

    def told(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.flask(*arguments, "--json").stdout)


def main() -> int:
    """Start everything, sell three films, say what the books hold."""
    as_json = bool(os.environ.get("JSON"))
    console = Console(quiet=as_json, highlight=False)
    var = ROOT / "var" / "shop"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    shutil.rmtree(var, ignore_errors=True)
    try:
        with console.status("Starting the sandbox, the database, the broker, web and worker …"):
            stack = ShopStack(var).__enter__()
        try:
            result = sell(stack, console)
            if as_json:
                print(json.dumps(result, indent=2, ensure_ascii=False))
            elif sys.stdout.isatty():
                _stay(stack, console)
        finally:
            stack.__exit__()
    except (StackError, ReelgridError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def sell(stack: ShopStack, console: Console) -> dict[str, Any]:
    """The whole show: every step checked, every step said. Raises StackError where one does not do what it should."""
    account, customer = _customer(stack, console)
    secret = _endpoint(stack, customer)
    batch = _order(stack, customer, console)
    finished = _told(stack, secret, batch, console)
    credits_left = _credits(stack, customer)["available_credits"]
    console.print(f"5  The customer has {credits_left:g} credits left")
    run = buy(stack.url, BOUGHT)
    if run["status"] != "done":
        raise StackError(f"the clip that was paid by x402 is {run['status']}: {run.get('error')}")
    payments = stack.told("payments", "list")
    console.print(f"6  A stranger without a key paid by x402, and has [bold]{run['result']}[/bold]", soft_wrap=True)
    stack.flask("ledger", "audit")
    console.print("7  Both books agree: what providers were paid, and what customers paid")
    return {
        "account_id": account,
        "batch_id": batch,
        "notices": finished,
        "available_credits": credits_left,
        "x402": {"run_id": run["run_id"], "status": run["status"], "video_url": run["result"]},
        "payments": payments,
    }


def _customer(stack: ShopStack, console: Console) -> tuple[str, dict[str, str]]:
    account = str(stack.told("accounts", "create", "Ada's Agency")["account_id"])
    key = stack.told("keys", "create", "laptop", "--account", account)["key"]
    console.print(f"1  Account [bold]{account}[/bold] is made, with a key of its own")
    stack.flask("credits", "grant", account, "200", "--source", "INV-1")
    console.print("2  It is granted 200 credits")
    return account, {"Authorization": f"Bearer {key}"}


def _endpoint(stack: ShopStack, customer: Mapping[str, str]) -> str:
    body = {"url": f"{stack.sandbox_url}/hooks/ok", "events": ["run.done", "run.failed", "batch.done"]}
    made = stack.post("/api/webhooks", body, headers=customer)
    made.raise_for_status()
    return str(made.json()["secret"])


def _order(stack: ShopStack, customer: Mapping[str, str], console: Console) -> str:
    items = [{"custom_id": name, "prompt": prompt, "seconds": 4} for name, prompt in FILMS.items()]
    made = stack.post("/api/batches", {"items": items}, headers={**customer, "Idempotency-Key": "autumn-1"})
    if made.status_code != 202:
        raise StackError(f"the batch was answered {made.status_code}: {made.text}")
    reserved = _credits(stack, customer)["reserved_credits"]
    console.print(f"3  A batch of two is ordered: {reserved:g} credits are set aside")
    return str(made.json()["batch_id"])


def _credits(stack: ShopStack, customer: Mapping[str, str]) -> dict[str, Any]:
    answer = stack.get("/api/credits", headers=customer)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _told(stack: ShopStack, secret: str, batch: str, console: Console) -> list[str]:
    """What the receiver was sent, each message verified as a customer would; until the batch is over."""
    webhook = Webhook(secret)

    def received() -> list[dict[str, Any]] | None:
        came = [webhook.verify(one["body"], one["headers"]) for one in stack.sandbox("GET", "/hooks.json")]
        over = any(one["type"] == "batch.done" and one["data"]["batch_id"] == batch for one in came)
        return came if over and len(came) > len(FILMS) else None

    came = until(received, "the messages that the batch is over", PATIENCE_S, 0.2)
    kinds = sorted(one["type"] for one in came)
    if kinds != ["batch.done", *["run.done"] * len(FILMS)]:
        raise StackError(f"the receiver was told {', '.join(kinds)}")
    console.print(f"4  {len(came)} webhooks arrived, their signatures verified:")
    for one in came:
        for video in one["data"].get("videos", []):
            console.print(f"   {one['data']['custom_id']}: {video['url']}", soft_wrap=True)
    return kinds


def _stay(stack: ShopStack, console: Console) -> None:
    """Leave the shop open for a look around."""
    console.print("\nThe shop stays open until you press Ctrl-C. Go on by hand, in another terminal:")
    console.print("docs/tutorial/sell-your-first-film.md")
    with suppress(KeyboardInterrupt):
        while stack.services["web"].alive:
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
