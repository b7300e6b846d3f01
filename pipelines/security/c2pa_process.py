"""What signs a film, in a process of its own: `python -m pipelines.security.c2pa_process`.

It reads one question (JSON) and answers it with one line; its 50 MB of library are loaded here and nowhere else. Of the
key nothing is ever said: what goes wrong is told by the name of the error and by what was being done.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from c2pa import Builder, Signer

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}


class Question(TypedDict):
    """Files by their paths; `clips` are those of the scenes, in order; `source` is a term of IPTC's."""

    certificate: str
    private_key: str
    film: str
    dest: str
    title: str
    clips: list[str]
    source: str


def algorithm(key: bytes) -> bytes:
    """How a key of this kind signs. Raises ValueError and TypeError for one that cannot."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    match load_pem_private_key(key, password=None):
        case ec.EllipticCurvePrivateKey(curve=curve) if curve.name in _CURVES:
            return _CURVES[curve.name]
        case ed25519.Ed25519PrivateKey():
            return b"ed25519"
        case rsa.RSAPrivateKey():
            return b"ps256"
    raise ValueError("keys of this kind do not sign films")


def answer(question: Question) -> str | None:
    """Sign; what is wrong, if it cannot be done."""
    from c2pa import C2paError, C2paSignerInfo, Signer

    try:
        certificate, key = Path(question["certificate"]).read_bytes(), Path(question["private_key"]).read_bytes()
        method = algorithm(key)
    except (OSError, ValueError, TypeError):
        return "C2PA_CERTIFICATE or C2PA_PRIVATE_KEY cannot be read: PEM files are needed, the key without a password"
    try:
        signer = Signer.from_info(C2paSignerInfo(method, certificate, key, None))
        _write(question, signer)
    except C2paError as error:
        return f"the film was not signed ({type(error).__name__.strip('_')}): does the key belong to the certificate?"
    return None


def _write(question: Question, signer: Signer) -> None:
    from c2pa import Builder

    created = {"action": "c2pa.created", "digitalSourceType": IPTC + question["source"]}
    said = {
        "claim_generator_info": [{"name": "Reelgrid"}],
        "title": question["title"],
        "format": "video/mp4",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    with Builder(json.dumps(said)) as builder:
        names = [name for at, clip in enumerate(question["clips"], start=1) if (name := _name_clip(builder, at, clip))]
        if names:
            builder.add_action({"action": "c2pa.placed", "parameters": {"ingredientIds": names}})
        builder.sign_file(question["film"], question["dest"], signer)


def _name_clip(builder: Builder, number: int, clip: str) -> str | None:
    """Name one scene's clip, with the marks that its maker put into it; None for one that is no MP4."""
    from c2pa import C2paError

    name = f"xmp:iid:scene-{number}"
    of = {"title": f"Scene {number}", "relationship": "componentOf", "instance_id": name}
    try:
        with Path(clip).open("rb") as file:
            builder.add_ingredient(json.dumps(of), "video/mp4", file)
    except C2paError:
        return None
    return name


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"wrong": answer(json.load(sys.stdin))}))
