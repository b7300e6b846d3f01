"""What became of an authorization, read from the chain itself by plain JSON-RPC: EIP-3009 leaves an event for each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import httpx

from pipelines.domain.errors import ForbiddenAddress, Unavailable
from pipelines.net.guard import guarded_client
from pipelines.ports import Outcome, Settlement, Transfer
from pipelines.settings import Origin
from pipelines.settings.networks import Token

USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TIMEOUT_S = 8.0
SPAN = 2000
"""Blocks in one question: public servers refuse much more."""
Log = dict[str, Any]


class JsonRpcChain:
    """ports.Chain. Asks for the blocks of the moments in question alone, however long the chain is."""

    def __init__(self, url: str, token: Token, pay_to: str, trusted: Collection[Origin]) -> None:
        self._url, self._token, self._pay_to = url, token, pay_to
        self._http = guarded_client(trusted, TIMEOUT_S)

    def look(self, *, payer: str, nonce: str, amount_micro: int, since: float, until: float) -> Settlement:
        """ports.Chain."""
        try:
            return self._look(payer, nonce, amount_micro, since, until)
        except (httpx.HTTPError, ForbiddenAddress, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unavailable(f"the chain: {type(error).__name__}") from error

    def received(self, since: float, until: float) -> list[Transfer]:
        """ports.Chain."""
        try:
            return list(self._received(since, until))
        except (httpx.HTTPError, ForbiddenAddress, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unavailable(f"the chain: {type(error).__name__}") from error

    def _received(self, since: float, until: float) -> Iterator[Transfer]:
        first, last = self._blocks(since, until)
        for start in range(first, last + 1, SPAN):
            wanted = {
                "address": self._token.asset,
                "fromBlock": hex(start),
                "toBlock": hex(min(start + SPAN - 1, last)),
                "topics": [TRANSFER, None, _padded(self._pay_to)],
            }
            for log in self._call("eth_getLogs", wanted):
                transaction = str(log["transactionHash"]).lower()
                yield Transfer(f"0x{log['topics'][1][-40:]}", int(log["data"], 16), transaction)

    def _blocks(self, since: float, until: float) -> tuple[int, int]:
        """The first and the last block of that time; the last is before the first where that has not begun."""
        newest = self._call("eth_getBlockByNumber", "latest", False)
        number, at = int(newest["number"], 16), int(newest["timestamp"], 16)
        first, last = (number - int((at - when) // self._token.block_s) for when in (since, min(until, at)))
        return max(0, first), min(last + 1, number)

    def _look(self, payer: str, nonce: str, amount_micro: int, since: float, until: float) -> Settlement:
        first, last = self._blocks(since, until)
        if first > last:
            return Settlement(outcome=Outcome.NOTHING)
        wanted = {
            "address": self._token.asset,
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [[USED, CANCELED], _padded(payer), nonce],
        }
        for log in self._call("eth_getLogs", wanted):
            if log["topics"][0] == CANCELED:
                return Settlement(outcome=Outcome.REFUSED, reason="the payer cancelled it")
            return self._transfer(str(log["transactionHash"]), payer, amount_micro)
        return Settlement(outcome=Outcome.NOTHING)

    def _transfer(self, transaction: str, payer: str, amount_micro: int) -> Settlement:
        """An authorization is used by whom it names and for what it says; that is looked at all the same."""
        receipt = self._call("eth_getTransactionReceipt", transaction)
        for log in receipt["logs"] if receipt["status"] == "0x1" else ():
            about = [TRANSFER, _padded(payer), _padded(self._pay_to)]
            ours = str(log["address"]).lower() == self._token.asset.lower()
            if ours and log["topics"] == about and int(log["data"], 16) == amount_micro:
                return Settlement(outcome=Outcome.PAID, transaction=transaction.lower())
        return Settlement(outcome=Outcome.UNCLEAR, transaction=transaction, reason="used for something else")

    def _call(self, method: str, *params: object) -> Any:
        answer = self._http.post(self._url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if answer.status_code != httpx.codes.OK:
            raise Unavailable(f"the chain answered {answer.status_code}")
        body = answer.json()
        if body.get("error") is not None or body.get("result") is None:
            raise Unavailable(f"the chain refused {method}")
        return body["result"]


def _padded(address: str) -> str:
    return f"0x{address.removeprefix('0x').lower():0>64}"
