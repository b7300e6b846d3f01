"""How wallets sign: Keccak-256, secp256k1 and EIP-712, by the book. Slow, and for play money only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int] | None
_RATE = 136
_MASK = 2**64 - 1
_DOMAIN = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_TRANSFER = (
    b"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
    b"bytes32 nonce)"
)


def keccak(data: bytes) -> bytes:
    """Keccak-256, as Ethereum uses it: SHA-3 before its padding was changed."""
    padded = bytearray(data + b"\x01" + b"\0" * (-(len(data) + 1) % _RATE))
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            state[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def _permute(a: list[int]) -> None:
    lfsr = 1
    for _ in range(24):
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[(x - 1) % 5] ^ _turned(c[(x + 1) % 5], 1) for x in range(5)]
        for place in range(25):
            a[place] ^= d[place % 5]
        x, y, current = 1, 0, a[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            a[x + 5 * y], current = _turned(current, (step + 1) * (step + 2) // 2 % 64), a[x + 5 * y]
        for row in range(0, 25, 5):
            line = a[row : row + 5]
            for x in range(5):
                a[row + x] = line[x] ^ (~line[(x + 1) % 5] & line[(x + 2) % 5] & _MASK)
        for bit in range(7):
            if lfsr & 1:
                a[0] ^= 1 << (2**bit - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr >> 7 else 0)


def _turned(lane: int, bits: int) -> int:
    return (lane << bits | lane >> (64 - bits)) & _MASK


def _plus(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _times(factor: int, point: Point) -> Point:
    found: Point = None
    while factor:
        if factor & 1:
            found = _plus(found, point)
        point, factor = _plus(point, point), factor >> 1
    return found


def _address(point: Point) -> str:
    x, y = point or (0, 0)
    return "0x" + keccak(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[-20:].hex()


def authorization_hash(signed: dict[str, Any], *, name: str, version: str, chain: int, asset: str) -> bytes:
    """What a wallet signs to hand over money (EIP-3009)."""
    domain = keccak(_DOMAIN) + keccak(name.encode()) + keccak(version.encode()) + _word(chain) + _word(int(asset, 16))
    words = [int(signed[name], 16) for name in ("from", "to")]
    words += [int(signed[name]) for name in ("value", "validAfter", "validBefore")]
    message = keccak(_TRANSFER) + b"".join(map(_word, words)) + _word(int(signed["nonce"], 16))
    return keccak(b"\x19\x01" + keccak(domain) + keccak(message))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def signer_of(digest: bytes, signature: str) -> str:
    """The address whose key signed. Raises ValueError."""
    raw = bytes.fromhex(signature.removeprefix("0x"))
    if len(raw) != 65:  # noqa: PLR2004 - r, s and v
        raise ValueError("a signature has 65 bytes")
    r, s, odd = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64] - 27
    y = pow((r**3 + 7) % P, (P + 1) // 4, P)
    if not (0 < r < N and 0 < s < N and odd in (0, 1)) or y * y % P != (r**3 + 7) % P:
        raise ValueError("no signature")
    point = (r, y if y % 2 == odd else P - y)
    inverse, z = pow(r, -1, N), int.from_bytes(digest, "big")
    return _address(_plus(_times(s * inverse % N, point), _times(-z * inverse % N, G)))


@dataclass(frozen=True, slots=True)
class Wallet:
    """A key and its address."""

    secret: int = field(default_factory=lambda: secrets.randbelow(N - 1) + 1, repr=False)

    @property
    def address(self) -> str:
        """Where its money is."""
        return _address(_times(self.secret, G))

    def sign(self, digest: bytes) -> str:
        """A signature that `signer_of` knows to be ours."""
        while True:
            k = secrets.randbelow(N - 1) + 1
            x, y = _times(k, G) or (0, 0)
            r = x % N
            s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * self.secret) % N
            if 0 < r == x and s:
                odd = y % 2
                if s > N // 2:
                    s, odd = N - s, 1 - odd
                return "0x" + (_word(r) + _word(s) + bytes([27 + odd])).hex()
