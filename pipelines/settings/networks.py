"""Where payments for single calls are taken: chains, and the dollar token on each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """USDC on a chain. `name` and `version` are what wallets sign (EIP-712)."""

    network: str
    asset: str
    name: str
    version: str = "2"
    block_s: float
    """A block every so many seconds, exactly: from this follows which blocks a moment is in."""
    test: bool = False


TOKENS = {
    token.network: token
    for token in (
        Token(network="eip155:8453", asset="0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", name="USD Coin", block_s=2.0),
        Token(
            network="eip155:84532",
            asset="0x036CbD53842c5426634e7929541eC2318f3dCF7e",
            name="USDC",
            block_s=2.0,
            test=True,
        ),
    )
}
TESTNET_FACILITATOR = "https://x402.org/facilitator"
"""Needs no key; settles on test networks alone."""
