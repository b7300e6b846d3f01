"""The shop of `make demo-shop`, and its tutorial followed to the letter: commands answer what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.sandbox.x402.signatures import Wallet
from tests.conftest import needs
from tools.demo.shop import ShopStack, sell
from tools.stack import ROOT

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600), pytest.mark.slow]

TUTORIAL = ROOT / "docs/tutorial/sell-your-first-film.md"
X402 = ROOT / "docs/how-to/x402.md"
BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)
PLACEHOLDER = re.compile(r"\b([a-z]{2,6})_…")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopStack]:
    quick = {"SANDBOX_GENERATION_S": "0.3"}
    with ShopStack(tmp_path_factory.mktemp("shop") / "var", extra={"WORKERS": "1"}, sandbox_environ=quick) as stack:
        yield stack


@dataclass
class Reader:
    """Somebody who does what the page says, in a shell that stays open."""

    shop: ShopStack
    said: str = ""
    before: list[str] = field(default_factory=list)

    def run(self, commands: str) -> None:
        """What was exported before stays so."""
        commands = PLACEHOLDER.sub(lambda found: self.seen(found[1]), commands)
        commands = commands.replace("var/shop/shop.env", str(self.shop.env_file))
        script = "\n".join(["set -eu", *self.before, commands])
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        self.before += [line for line in commands.splitlines() if line.startswith((". ", "export "))]
        self.last = done.stdout
        self.said += done.stdout

    def seen(self, kind: str) -> str:
        """What was printed last of a kind, by what it begins with."""
        found: list[str] = re.findall(rf"\b{kind}_[A-Za-z0-9+/=_-]+", self.said)
        return found[-1]

    def expect(self, lines: str) -> None:
        for line in lines.splitlines():
            assert line in re.sub(r'(?<=[":,]) +', "", self.last) or line in self.last, f"{line}\n{self.last}"


def test_a_shop_sells_by_credits_and_by_x402(shop: ShopStack) -> None:
    result = sell(shop, Console(quiet=True))
    assert result["notices"] == ["batch.done", "run.done", "run.done"]
    assert result["available_credits"] == 200 - 2 * 70
    assert result["x402"]["status"] == "done"
    assert [one["status"] for one in result["payments"]] == ["paid"]


def test_the_tutorial_does_what_it_says(shop: ShopStack) -> None:
    needs("curl", found=shutil.which("curl") is not None)
    reader, blocks = Reader(shop), BLOCK.findall(TUTORIAL.read_text("utf-8"))
    assert blocks[0] == ("sh", "make demo-shop\n")
    for kind, block in blocks[1:]:
        if kind == "sh":
            reader.run(block)
        else:
            reader.expect(block)
    assert len(reader.said) > 1000


def test_the_stock_client_buys_as_the_how_to_says(shop: ShopStack, tmp_path: Path) -> None:
    """Its program, but for the two lines that need web3: our wallet signs the same."""
    (program,) = re.findall(r"```python\n(.*?)```", X402.read_text("utf-8"), re.DOTALL)
    swapped = {
        "from eth_account import Account": "from pipelines.sandbox.x402.signatures import Wallet",
        "from x402.mechanisms.evm.exact import register_exact_evm_client": "from tools.demo.wallet import WalletScheme",
        'register_exact_evm_client(client, Account.from_key(os.environ["ACME_WALLET_KEY"]))': (
            'client.register("eip155:*", WalletScheme(Wallet(int(os.environ["ACME_WALLET_KEY"], 16))))'
        ),
    }
    for theirs, ours in swapped.items():
        assert theirs in program
        program = program.replace(theirs, ours)
    script = tmp_path / "buyer.py"
    script.write_text(program, "utf-8")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "URL": shop.url}
    environ["ACME_WALLET_KEY"] = hex(Wallet().secret)
    done = subprocess.run(
        [sys.executable, script], env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"done {shop.url}/v/"), done.stdout


def test_the_stock_client_for_javascript_buys_as_the_how_to_says(shop: ShopStack, tmp_path: Path) -> None:
    """Its program as it stands: viem signs, and one transfer pays for one film."""
    needs("Node", found=bool(shutil.which("node") and shutil.which("npm")))
    packages = ["@x402/fetch@2.27.0", "@x402/evm@2.27.0", "viem@2.57.20"]
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", *packages]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    needs(f"@x402/fetch ({done.stderr[-200:]})", found=done.returncode == 0)
    (program,) = re.findall(r"```js\n(.*?)```", X402.read_text("utf-8"), re.DOTALL)
    tmp_path.joinpath("buyer.mjs").write_text(program, "utf-8")
    environ = {"PATH": os.environ["PATH"], "URL": shop.url, "ACME_WALLET_KEY": f"0x{Wallet().secret:064x}"}
    before = transfers(shop)
    done = subprocess.run(
        ["node", "buyer.mjs"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"done {shop.url}/v/"), done.stdout
    assert transfers(shop) == before + 1


def transfers(shop: ShopStack) -> int:
    return int(shop.sandbox("POST", "/x402/_control", {"next": []})["transfers"])
