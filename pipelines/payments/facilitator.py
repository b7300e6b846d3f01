"""x402, version 2: the scheme `exact` by EIP-3009, paid before the work. The library comes when the first one asks.

Only this scheme's class of the library needs web3 and half a hundred packages; the protocol around it does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx

from pipelines.domain.errors import BadPayment, ForbiddenAddress, Unavailable
from pipelines.domain.keys import digest
from pipelines.net.guard import guarded_client
from pipelines.payments.cdp import CdpKey
from pipelines.ports import Authorization, Outcome, Settlement
from pipelines.settings import Origin
from pipelines.settings.networks import Token

if TYPE_CHECKING:
    from x402 import x402ResourceServerSync
    from x402.schemas import (
        AssetAmount,
        Network,
        PaymentPayload,
        PaymentRequirements,
        Price,
        SettleResponse,
        SupportedKind,
        SupportedResponse,
    )

SCHEME, EIP3009 = "exact", "eip3009"
VALID_S = 300
SETTLE_S = 8.0
LONGEST_HEADER = 16_384
PAYMENT_ID = "payment-identifier"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){65,4096}", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_PAYMENT_ID = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)
_REFUSALS = re.compile(r"insufficient_funds|unsupported_scheme|invalid_(?!.*nonce_already_used)[a-z0-9_]+", re.ASCII)
"""Reasons to which nothing was sent. That a nonce is used already says nothing of who used it."""


class ExactEip3009:
    """The scheme, as the library's server wants it: `token` is the one thing that is taken."""

    scheme = SCHEME
    default_asset_transfer_method = EIP3009

    def __init__(self, token: Token) -> None:
        self._token = token
        self.payment_flows: Any = {EIP3009: {"supported": ("authorization", "upfront"), "default": "upfront"}}

    def get_asset_decimals(self, asset: str, network: Network) -> int:  # noqa: ARG002 - the library's
        """Of USDC, everywhere: its smallest unit is a micro-dollar."""
        return 6

    def parse_price(self, price: Price, network: Network) -> AssetAmount:  # noqa: ARG002 - the library's
        """An amount in micro-dollars."""
        from x402.schemas import AssetAmount

        domain = {"name": self._token.name, "version": self._token.version}
        return AssetAmount(amount=str(price), asset=self._token.asset, extra=domain)

    def enhance_payment_requirements(
        self,
        requirements: PaymentRequirements,
        supported_kind: SupportedKind,  # noqa: ARG002 - the library's
        extensions: list[str],  # noqa: ARG002 - the library's
    ) -> PaymentRequirements:
        """Nothing is to be added."""
        return requirements


class _Client:
    """The facilitator over HTTP, for the library: through the guard, without redirects, and not for long."""

    def __init__(self, url: str, network: str, trusted: Collection[Origin], key: CdpKey | None) -> None:
        self._url, self._network, self._key = url, network, key
        self._http = guarded_client(trusted, SETTLE_S)

    def get_supported(self) -> SupportedResponse:
        """What we settle. Nobody is asked: an answer about terms waits for nobody."""
        from x402.schemas import SupportedKind, SupportedResponse

        return SupportedResponse(kinds=[SupportedKind(x402_version=2, scheme=SCHEME, network=self._network)])

    def settle(self, payload: PaymentPayload, requirements: PaymentRequirements) -> SettleResponse:
        """Raises Unavailable for whatever is no answer of a facilitator."""
        from x402.schemas import SettleResponse

        body = {
            "x402Version": 2,
            "paymentPayload": payload.model_dump(mode="json", by_alias=True, exclude_none=True),
            "paymentRequirements": requirements.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        try:
            url = f"{self._url}/settle"
            answer = self._http.post(url, json=body, headers=self._key.headers("POST", url) if self._key else None)
            if answer.status_code != httpx.codes.OK:
                raise Unavailable(f"the facilitator answered {answer.status_code}")
            return SettleResponse.model_validate_json(answer.content)
        except (httpx.HTTPError, ForbiddenAddress, ValueError) as error:
            raise Unavailable(f"the facilitator: {type(error).__name__}") from error

    def verify(self, payload: PaymentPayload, requirements: PaymentRequirements) -> Any:
        """Money comes first here: settling verifies."""
        raise NotImplementedError


class X402Facilitator:
    """ports.Facilitator."""

    def __init__(
        self, url: str, token: Token, pay_to: str, trusted: Collection[Origin], key: CdpKey | None = None
    ) -> None:
        self._url, self._token, self._pay_to, self._trusted, self._key = url, token, pay_to, trusted, key

    @cached_property
    def _server(self) -> x402ResourceServerSync:
        from x402 import x402ResourceServerSync

        client: Any = _Client(self._url, self._token.network, self._trusted, self._key)
        server = x402ResourceServerSync(client)
        server.register(self._token.network, ExactEip3009(self._token))
        server.initialize()
        return server

    def _requirements(self, amount_micro: int) -> list[PaymentRequirements]:
        from x402.schemas import ResourceConfig

        config = ResourceConfig(
            scheme=SCHEME,
            pay_to=self._pay_to,
            price=str(amount_micro),
            network=self._token.network,
            max_timeout_seconds=VALID_S,
        )
        return self._server.build_payment_requirements(config)

    def terms(self, amount_micro: int, url: str, what: str, why: str) -> str:
        """ports.Facilitator."""
        from x402.http.utils import encode_payment_required_header
        from x402.schemas import ResourceInfo

        resource = ResourceInfo(url=url, description=what, mime_type="application/json")
        named = {PAYMENT_ID: {"info": {"required": False}, "schema": _PAYMENT_ID_SCHEMA}}
        required = self._server.create_payment_required_response(
            self._requirements(amount_micro), resource, why, extensions=named
        )
        return encode_payment_required_header(required)

    def read(self, header: str) -> Authorization:
        """ports.Facilitator."""
        return _authorization(_decoded(header))

    def fits(self, authorization: Authorization, amount_micro: int) -> bool:
        """ports.Facilitator."""
        payload = _payload(authorization)
        if self._server.find_matching_requirements(self._requirements(amount_micro), payload) is None:
            return False
        to = str(payload.payload["authorization"]["to"])
        return to.lower() == self._pay_to.lower() and authorization.amount_micro == amount_micro

    def settle(self, authorization: Authorization) -> Settlement:
        """ports.Facilitator."""
        wanted = self._requirements(authorization.amount_micro)[0]
        told = self._server.settle_payment(_payload(authorization), wanted, phase="before-handler")
        return _settlement(told, authorization)

    def receipt(self, transaction: str, payer: str) -> str:
        """ports.Facilitator."""
        from x402.http.utils import encode_payment_response_header
        from x402.schemas import SettleResponse

        return encode_payment_response_header(
            SettleResponse(success=True, transaction=transaction, network=self._token.network, payer=payer)
        )


_PAYMENT_ID_SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{16,128}$"}, "required": {"type": "boolean"}},
}


def _decoded(header: str) -> PaymentPayload:
    """Raises BadPayment for whatever the library makes of it: it raises five kinds of errors."""
    from x402.http.utils import decode_payment_signature_header
    from x402.schemas import PaymentPayload

    if len(header) > LONGEST_HEADER:
        raise BadPayment("the header is too long")
    try:
        payload = decode_payment_signature_header(header)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise BadPayment(type(error).__name__) from error
    if not isinstance(payload, PaymentPayload) or payload.x402_version != 2:  # noqa: PLR2004 - of the protocol
        raise BadPayment("another version of x402")
    return payload


def _payload(authorization: Authorization) -> PaymentPayload:
    from x402.schemas import PaymentPayload

    return PaymentPayload.model_validate_json(authorization.text)


def _authorization(payload: PaymentPayload) -> Authorization:
    """Checked as far as its shape says; whether the signature is the payer's, the facilitator finds out."""
    signed, signature = payload.payload.get("authorization"), payload.payload.get("signature")
    if not isinstance(signed, dict):
        raise BadPayment("no authorization in it")
    _must_match("signature", _SIGNATURE, signature)
    for name, pattern in (("from", _ADDRESS), ("to", _ADDRESS), ("nonce", _HASH)):
        _must_match(name, pattern, signed.get(name))
    for name in ("value", "validAfter", "validBefore"):
        _must_match(name, _AMOUNT, signed.get(name))
    return Authorization(
        network=str(payload.accepted.network),
        asset=payload.accepted.asset.lower(),
        payer=signed["from"].lower(),
        nonce=signed["nonce"].lower(),
        amount_micro=int(signed["value"]),
        valid_before=float(signed["validBefore"]),
        proof=digest("x402", signature),
        payment_id=_payment_id(payload.extensions),
        text=payload.model_dump_json(by_alias=True, exclude_none=True),
    )


def _must_match(name: str, pattern: re.Pattern[str], value: object) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadPayment(f"{name} is missing or of another form")


def _payment_id(extensions: dict[str, Any] | None) -> str | None:
    declared = (extensions or {}).get(PAYMENT_ID)
    if declared is None:
        return None
    info = declared.get("info") if isinstance(declared, dict) else None
    named = info.get("id") if isinstance(info, dict) else None
    if named is None:
        return None
    _must_match(f"{PAYMENT_ID} id", _PAYMENT_ID, named)
    return str(named)


def _settlement(told: SettleResponse, authorization: Authorization) -> Settlement:
    """Believed only where it fits: a success of another payer or network, or without a transaction, is none."""
    if not told.success:
        reason = told.error_reason or ""
        refused = _REFUSALS.fullmatch(reason) and not told.transaction
        return Settlement(outcome=Outcome.REFUSED if refused else Outcome.UNCLEAR, reason=reason[:100] or "no reason")
    fits = told.network == authorization.network and (told.payer or "").lower() == authorization.payer
    if not fits or not _HASH.fullmatch(told.transaction):
        return Settlement(outcome=Outcome.UNCLEAR, reason="the facilitator's answer does not fit the payment")
    return Settlement(outcome=Outcome.PAID, transaction=told.transaction.lower())
