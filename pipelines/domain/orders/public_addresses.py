"""Whether an address that came with data may be asked at all: told from its text alone, without a name server.

What is written in it counts: the many spellings of an inside address, names that only mean something inside, users
and passwords. Where a name leads is looked at when it is fetched (`pipelines.net.guard`).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

MUST_BE_HTTPS = "must be an address that starts with https://"
MUST_BE_PUBLIC = "must be an address on the public internet"
NO_USER = "must be an address without a user name or a password"

# What `ipaddress` in Python 3.11 takes for global or does not name: shared and benchmark space, relays, and every
# way to write an IPv4 address inside an IPv6 one (RFC 6598, 6890, 7526, 2544, 4291, 6052, 8215, 3056, 3879).
_DENIED_BLOCKS = (
    "100.64.0.0/10",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "fec0::/10",
    "3fff::/20",
    "5f00::/16",
)
_DENIED = tuple(ipaddress.ip_network(block) for block in _DENIED_BLOCKS)
_INSIDE_ENDS = frozenset(
    (
        *("localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home", "corp", "arpa", "svc"),
        *("onion", "consul", "workgroup", "domain", "default", "cluster", "alt"),
    )
)
"""Last labels that no public name has."""
_LEAD_INSIDE = "localtest.me lvh.me vcap.me lacolhost.com localho.st metadata.goog metadata.tencentyun.com fritz.box"
_INSIDE_NAMES = tuple(f".{name}" for name in _LEAD_INSIDE.split())
"""Public names that are known to lead inside."""
_ECHOES = (".nip.io", ".sslip.io", ".xip.io")
"""Servers that answer with the address that stands in the name."""
_EMBEDDED = re.compile(r"(?<![0-9a-f])(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})(?![0-9a-f])")
_DOTS = str.maketrans(dict.fromkeys("。．｡", "."))
_HOST = re.compile(r"[\w.-]+")
_CONTROLS = re.compile(r"[\x00-\x20\x7f\\\u0080-\u00a0\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060\ufeff]")
_BYTE, _WORD = 0xFF, 0xFFFFFFFF
_PARTS = 4


def is_inside(text: str) -> bool:
    """Whether a numeric address is not plainly on the public internet. Raises `ValueError` for any other text."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or any(address in block for block in _DENIED)
    )


def why_not(text: str) -> str | None:
    """What is wrong with an https address from outside, as the end of a sentence; None when nothing is to be seen."""
    parts = _split(text)
    if parts is None or parts.scheme != "https":
        return MUST_BE_HTTPS
    if "@" in parts.netloc:
        return MUST_BE_PUBLIC if _is_inside_host(parts.hostname or "") else NO_USER
    return MUST_BE_PUBLIC if _is_inside_host(parts.hostname or "") else None


def _split(text: str) -> SplitResult | None:
    """The parts of an address with a host and, if any, a possible port."""
    if _CONTROLS.search(text):
        return None
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        return None
    return parts if usable and _is_host(parts) else None


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return ":" in host
    return _HOST.fullmatch(_folded(host)) is not None


def _folded(host: str) -> str:
    """As a resolver reads it: full-width and circled characters are plain ones, and every kind of dot is a dot."""
    plain = unicodedata.normalize("NFKC", host.translate(_DOTS)).translate(_DOTS).casefold()
    return "".join(str(unicodedata.decimal(character, character)) for character in plain)


def _is_inside_host(host: str) -> bool:
    name = _folded(host).rstrip(".")
    try:
        return is_inside(name)
    except ValueError:
        pass
    if f".{name}".endswith(_INSIDE_NAMES) or (name.endswith(_ECHOES) and _echoes_inside(name)):
        return True
    labels = name.split(".")
    if _is_number(labels[-1]):
        address = _as_resolvers_read(labels)
        return address is None or is_inside(str(address))
    return len(labels) == 1 or not all(labels) or labels[-1] in _INSIDE_ENDS


def _echoes_inside(name: str) -> bool:
    """Whether a name that says an address says one inside, or none that is plain to see."""
    found = [".".join(match.groups()) for match in _EMBEDDED.finditer(name)]
    try:
        return not found or any(is_inside(address) for address in found)
    except ValueError:
        return True


def _is_number(label: str) -> bool:
    return re.fullmatch(r"\d+|0[xX][0-9a-fA-F]*", label, re.ASCII) is not None


def _as_resolvers_read(labels: list[str]) -> ipaddress.IPv4Address | None:
    """`inet_aton`: one to four numbers, decimal, octal or hexadecimal, the last of which fills what is left."""
    if len(labels) > _PARTS or not all(_is_number(label) for label in labels):
        return None
    try:
        numbers = [_number(label) for label in labels]
    except ValueError:
        return None
    *heads, last = numbers
    room = _WORD >> (8 * len(heads))
    if any(head > _BYTE for head in heads) or last > room:
        return None
    value = last
    for at, head in enumerate(heads):
        value |= head << (24 - 8 * at)
    return ipaddress.IPv4Address(value)


def _number(label: str) -> int:
    if label[:2].casefold() == "0x":
        return int(label[2:] or "0", 16)
    return int(label, 8) if len(label) > 1 and label.startswith("0") else int(label)
