"""Signed films (C2PA): a process of its own signs, so that neither web nor worker carries what that takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.domain.errors import NotConfigured, Unavailable
from pipelines.domain.footage import DigitalSource
from pipelines.settings import Settings

LOADING_S, BYTES_PER_S = 180.0, 5_000_000
"""A film is read, hashed and written once, and its clips are read: measured at some 140 MB a second."""
_ROOT = Path(__file__).parents[2]
_CANNOT = "The film could not be signed."


@dataclass(frozen=True, slots=True)
class C2paSigner:
    """ports.FilmSigner with a certificate and its key in PEM files, which are read when they are needed."""

    certificate: Path
    private_key: Path

    def sign(self, film: Path, dest: Path, title: str, clips: Sequence[Path], source: DigitalSource) -> None:
        """Have the film signed; `dest` is there only when that succeeded."""
        draft = dest.with_name(f"draft-{dest.name}")
        asked = {
            "certificate": str(self.certificate),
            "private_key": str(self.private_key),
            "film": str(film),
            "dest": str(draft),
            "title": title,
            "clips": [str(clip) for clip in clips],
            "source": source.value,
        }
        size = sum(path.stat().st_size for path in (film, *clips))
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pipelines.security.c2pa_process"],
                cwd=_ROOT,
                input=json.dumps(asked),
                capture_output=True,
                encoding="utf-8",
                timeout=LOADING_S + size / BYTES_PER_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable("signing the film took too long", marketer=_CANNOT) from error
        if done.returncode != 0:
            # What it wrote besides may hold anything.
            raise Unavailable(f"the process that signs films ended with {done.returncode}", marketer=_CANNOT)
        if wrong := json.loads(done.stdout)["wrong"]:
            raise NotConfigured(f"C2PA: {wrong}", marketer=_CANNOT)
        draft.replace(dest)

    def check(self) -> str:
        """Whether the key is that of the certificate, and the certificate is good today."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            leaf = x509.load_pem_x509_certificates(self.certificate.read_bytes())[0]
        except (OSError, ValueError) as error:
            raise NotConfigured("C2PA_CERTIFICATE is no certificate in PEM") from error
        try:
            key = load_pem_private_key(self.private_key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise NotConfigured("C2PA_PRIVATE_KEY is no private key in PEM without a password") from error
        if key.public_key() != leaf.public_key():
            raise NotConfigured("C2PA_PRIVATE_KEY is not the key of C2PA_CERTIFICATE, whose file begins with its own")
        if not leaf.not_valid_before_utc <= datetime.now(UTC) <= leaf.not_valid_after_utc:
            raise NotConfigured(f"C2PA_CERTIFICATE is not good today, but until {leaf.not_valid_after_utc:%Y-%m-%d}")
        return f"films are signed by {leaf.subject.rfc4514_string()}, until {leaf.not_valid_after_utc:%Y-%m-%d}"


def build_signer(settings: Settings) -> C2paSigner | None:
    """None where films are not signed."""
    if settings.c2pa_certificate is None or settings.c2pa_private_key is None:
        return None
    return C2paSigner(settings.c2pa_certificate, settings.c2pa_private_key)
