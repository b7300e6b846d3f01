"""`/x402/settle` and `/x402/chain`, with the ways in which real ones fail: `POST /x402/_control {"next": [...]}`.

lost        the money moves and the answer does not come (502)
500         nothing moves
cancelled   the payer has cancelled on the chain
poor        the wallet is empty
slow        the answer comes after 20 s
no_hash, other_payer, other_network   a success that does not fit
rpc_down    the next request to the chain fails
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import flask

from pipelines.sandbox.x402.signatures import authorization_hash, signer_of
from pipelines.settings.networks import TOKENS

USED = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
CANCELED = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
NONCE_USED = "invalid_exact_evm_nonce_already_used"
SLOW_S = 20.0
Json = dict[str, Any]


@dataclass
class World:
    """What has happened on the chain, and what goes wrong next."""

    logs: list[Json] = field(default_factory=list)
    spent: set[tuple[str, str, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, *names: str) -> str | None:
        """The next fault, if it is one of these."""
        with self.lock:
            return self.faults.pop(0) if self.faults and self.faults[0] in names else None

    def transfer(self, asset: str, signed: Json) -> str | None:
        """The transaction; None where the authorization was used or cancelled before."""
        key = (asset.lower(), signed["from"].lower(), signed["nonce"].lower())
        with self.lock:
            if key in self.spent:
                return None
            self.spent.add(key)
            transaction = "0x" + hashlib.sha256("|".join(key).encode()).hexdigest()
            topics = [TRANSFER, _padded(signed["from"]), _padded(signed["to"])]
            self._log(asset, [USED, _padded(signed["from"]), key[2]], "0x", transaction)
            self._log(asset, topics, hex(int(signed["value"])), transaction)
            return transaction

    def cancel(self, asset: str, signed: Json) -> None:
        """Nobody can use the authorization any more."""
        with self.lock:
            self.spent.add((asset.lower(), signed["from"].lower(), signed["nonce"].lower()))
            self._log(asset, [CANCELED, _padded(signed["from"]), signed["nonce"].lower()], "0x", "0x" + "c" * 64)

    def _log(self, asset: str, topics: list[str], data: str, transaction: str) -> None:
        log = {"address": asset.lower(), "topics": topics, "data": data, "transactionHash": transaction}
        self.logs.append({**log, "blockNumber": hex(_block())})


def _block() -> int:
    return int(time.time()) // 2


def _padded(address: str) -> str:
    return f"0x{address.removeprefix('0x').lower():0>64}"


def blueprint() -> flask.Blueprint:
    """A facilitator with a chain of its own."""
    world, made = World(), flask.Blueprint("x402", __name__, url_prefix="/x402")

    @made.post("/settle")
    def settle() -> tuple[Json, int]:
        body = flask.request.get_json()
        return _settle(world, body["paymentPayload"], body["paymentRequirements"])

    @made.get("/supported")
    def supported() -> Json:
        kinds = [{"x402Version": 2, "scheme": "exact", "network": network} for network in TOKENS]
        return {"kinds": kinds, "extensions": [], "signers": {}}

    @made.post("/chain")
    def chain() -> tuple[Json, int]:
        if world.fault("rpc_down"):
            return {"error": "down"}, 503
        asked = flask.request.get_json()
        return {"jsonrpc": "2.0", "id": asked["id"], "result": _answer(world, asked["method"], asked["params"])}, 200

    @made.post("/_control")
    def control() -> Json:
        world.faults.extend(flask.request.get_json().get("next", []))
        return {"next": world.faults, "transfers": sum(log["topics"][0] == TRANSFER for log in world.logs)}

    return made


def _settle(world: World, payload: Json, wanted: Json) -> tuple[Json, int]:
    signed, network, asset = payload["payload"]["authorization"], wanted["network"], wanted["asset"]
    fault = world.fault("500", "lost", "cancelled", "poor", "slow", "no_hash", "other_payer", "other_network")
    answer: Json = {"success": False, "transaction": "", "network": network, "payer": signed["from"]}
    if fault == "500":
        return {"error": "internal"}, 500
    if fault == "slow":
        time.sleep(SLOW_S)
    refusal = "insufficient_funds" if fault == "poor" else _refusal(payload, wanted)
    if refusal:
        return {**answer, "errorReason": refusal}, 200
    if fault == "cancelled":
        world.cancel(asset, signed)
    transaction = world.transfer(asset, signed)
    if transaction is None:
        return {**answer, "errorReason": NONCE_USED}, 200
    if fault == "lost":
        return {"error": "bad gateway"}, 502
    lies = {
        "no_hash": {"transaction": ""},
        "other_payer": {"payer": "0x" + "9" * 40},
        "other_network": {"network": "eip155:1"},
    }
    return {**answer, "success": True, "transaction": transaction, **lies.get(fault or "", {})}, 200


def _refusal(payload: Json, wanted: Json) -> str | None:
    signed, token = payload["payload"]["authorization"], TOKENS[wanted["network"]]
    if signed["to"].lower() != wanted["payTo"].lower():
        return "invalid_exact_evm_payload_recipient_mismatch"
    if signed["value"] != wanted["amount"]:
        return "invalid_exact_evm_payload_authorization_value_mismatch"
    if not int(signed["validAfter"]) <= time.time() <= int(signed["validBefore"]):
        return "invalid_exact_evm_payload_authorization_valid_before"
    chain = int(token.network.partition(":")[2])
    digest = authorization_hash(signed, name=token.name, version=token.version, chain=chain, asset=token.asset)
    try:
        good = signer_of(digest, payload["payload"]["signature"]) == signed["from"].lower()
    except ValueError:
        good = False
    return None if good else "invalid_exact_evm_payload_signature"


def _answer(world: World, method: str, params: list[Any]) -> Any:
    if method == "eth_getBlockByNumber":
        return {"number": hex(_block()), "timestamp": hex(2 * _block())}
    if method == "eth_getTransactionReceipt":
        return {"status": "0x1", "logs": [log for log in world.logs if log["transactionHash"] == params[0]]}
    if method == "eth_getLogs":
        first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
        return [
            log
            for log in world.logs
            if log["address"] == params[0]["address"].lower()
            and first <= int(log["blockNumber"], 16) <= last
            and all(_fits(wanted, found) for wanted, found in zip(params[0]["topics"], log["topics"], strict=False))
        ]
    return None


def _fits(wanted: str | list[str] | None, found: str) -> bool:
    return wanted is None or found in (wanted if isinstance(wanted, list) else [wanted])
