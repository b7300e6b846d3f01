"""Wrong keys, counted by where they come from: whoever shows too many is not listened to for a while.

In the memory of this process, because the web process waits for nobody; several processes count each for themselves.
A key that was right once is always looked at: others who share its address, as the senders of a big service do, cannot
lock it out by guessing.

The library `limits` was considered: in memory it takes no clock, keeps every address until it expires, however many
there are, and runs a thread beside the requests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

AT_ONCE, EVERY_S = 20, 3.0
"""Wrong keys from one address: so many after a rest, then one every three seconds."""
ADDRESSES = 10_000
NETWORK_BITS = 64
"""One customer of an IPv6 provider has at least so large a network."""


class LoginThrottle:
    """When each address will have been quiet for long enough."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settled_at: OrderedDict[str, float] = OrderedDict()
        self._good: set[bytes] = set()

    def wait(self, key: str, address: str | None, now: float) -> float:
        """Seconds until a key that was never right may be tried from this address again; 0 when it may be now."""
        with self._lock:
            if _digest(key) in self._good:
                return 0.0
            return max(0.0, self._settled(_network(address), now) - (AT_ONCE - 1) * EVERY_S - now)

    def was_right(self, key: str) -> None:
        """From now on this key is always looked at. There are no more of these than there are keys."""
        with self._lock:
            self._good.add(_digest(key))

    def was_wrong(self, address: str | None, now: float) -> None:
        """Count a wrong key."""
        with self._lock:
            network = _network(address)
            self._settled_at[network] = self._settled(network, now) + EVERY_S
            self._settled_at.move_to_end(network)
            while len(self._settled_at) > ADDRESSES:
                self._settled_at.popitem(last=False)

    def _settled(self, network: str, now: float) -> float:
        """Never further ahead than all guesses together: the clock may have been set back."""
        return min(max(now, self._settled_at.get(network, now)), now + AT_ONCE * EVERY_S)


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def _network(address: str | None) -> str:
    """An IPv4 address, or the network of an IPv6 one."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(IPv6Address(int(found) >> NETWORK_BITS << NETWORK_BITS))
    return str(found)
