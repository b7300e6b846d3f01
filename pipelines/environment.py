"""What is set for this process, in its environment and `.env`, and the few choices that are needed before `settings`
can be loaded: whoever only starts and watches another process keeps none of what checks all of them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

LogStyle = Literal["auto", "text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Bind = Literal["auto", "all"]
T = TypeVar("T")
W = TypeVar("W", bound=str)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)


class Origin(NamedTuple):
    """Where a server is reached: what a browser, and our guard against inside addresses, compares."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin of an http or https address, host in lower case, port always given. Raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("must be an address that starts with http:// or https://.")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A parser of whole numbers between `low` and `high`."""

    def parse(value: Any) -> int:
        text = str(value)
        if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}.")
        return int(text)

    return parse


def one_of(*allowed: W, **refused: str) -> Callable[[Any], W]:
    """A parser of one word out of a few; upper and lower case mean the same. For words that people may expect to be
    there, `refused` says why they are not.
    """

    def parse(value: Any) -> W:
        for word in allowed:
            if str(value).lower() == word.lower():
                return word
        if why := refused.get(str(value).lower()):
            raise ValueError(why)
        raise ValueError(f"must be one of {', '.join(allowed)}.")

    return parse


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """A variable that is read here and in `settings`: how it is written, and what it is where nobody sets it."""

    name: str
    parse: Callable[[Any], T]
    default: T

    def of(self, found: Mapping[str, str]) -> T:
        """What was chosen. Raises ValueError."""
        return self.parse(found[self.name]) if self.name in found else self.default


PORT = Choice("PORT", whole(1, 65535), 8000)
LISTEN_ON: Choice[Bind] = Choice("LISTEN_ON", one_of("auto", "all"), "auto")
THREADS = Choice("THREADS", whole(4, 512), 32)
LOG_LEVEL: Choice[LogLevel] = Choice("LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOG_FORMAT: Choice[LogStyle] = Choice("LOG_FORMAT", one_of("auto", "text", "json"), "auto")


def inherited() -> Mapping[str, str]:
    """What this process was started with. Nothing else reads it."""
    return os.environ


def dotenv(path: Path) -> dict[str, str]:
    """What the file says, which may be missing. Raises OSError and UnicodeDecodeError."""
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    # Interpolation is off: it would read the process environment a second time, and mangle a $ in a secret.
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def merged(written: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What is set, blanks dropped; the environment wins over what is written in `.env`."""
    return {name: text for name, value in {**written, **environ}.items() if (text := value.strip())}


def public_url(found: Mapping[str, str]) -> str:
    """Where this deployment is reached: as it was set, as Railway named it, or on this machine."""
    domain, local = found.get("RAILWAY_PUBLIC_DOMAIN"), f"http://127.0.0.1:{found.get(PORT.name, PORT.default)}"
    return found.get("PUBLIC_URL", f"https://{domain}" if domain else local)
