"""A wallet of play money, as the stock x402 client signs with it: the client's own class needs web3 and half a hundred
packages.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from x402.schemas import PaymentRequirements

from pipelines.sandbox.x402.signatures import Wallet, authorization_hash
from pipelines.settings.networks import TOKENS


class WalletScheme:
    """Signs a transfer of USDC by EIP-3009."""

    scheme = "exact"

    def __init__(self, wallet: Wallet) -> None:
        self.wallet = wallet

    def find_default_asset(self, asset: str, network: str) -> Mapping[str, Any] | None:
        """The token, where it is the network's USDC: the client's spend controls ask."""
        token = TOKENS.get(network)
        known = token is not None and token.asset == asset
        return {"asset": asset, "name": "USDC", "version": "2", "decimals": 6, "symbol": "USDC"} if known else None

    def create_payment_payload(self, requirements: PaymentRequirements, **_: Any) -> dict[str, Any]:
        """What the facilitator settles."""
        now = int(time.time())
        signed = {
            "from": self.wallet.address,
            "to": requirements.pay_to,
            "value": requirements.amount,
            "validAfter": str(now - 60),
            "validBefore": str(now + requirements.max_timeout_seconds),
            "nonce": f"0x{secrets.token_hex(32)}",
        }
        chain, domain = int(requirements.network.partition(":")[2]), requirements.extra
        digest = authorization_hash(
            signed, name=domain["name"], version=domain["version"], chain=chain, asset=requirements.asset
        )
        return {"authorization": signed, "signature": self.wallet.sign(digest)}
