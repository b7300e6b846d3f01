"""Films signed with a certificate of the operator's (C2PA): whoever has one can tell that it was changed since."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipelines.domain.errors import NotConfigured, ReelgridError
from pipelines.domain.footage import DigitalSource
from pipelines.security.film_signature import C2paSigner
from tests.media import shots
from tests.media.shots import good, remuxed

ROOT = Path(__file__).parents[2]
needs_c2pa = pytest.mark.skipif(find_spec("c2pa") is None, reason="c2pa-python is not installed on this machine")


def make_signer(folder: Path, *, days: float = 20) -> C2paSigner:
    """A root and a leaf of it, as somebody makes them who buys none."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    top = _certificate("root", root, "root", root, days).sign(root, hashes.SHA256())
    own = _certificate("Acme Films", leaf, "root", root, days).sign(root, hashes.SHA256())
    pem = Encoding.PEM
    (folder / "certificate.pem").write_bytes(own.public_bytes(pem) + top.public_bytes(pem))
    (folder / "key.pem").write_bytes(leaf.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()))
    return C2paSigner(folder / "certificate.pem", folder / "key.pem")


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now, is_root = datetime.now(UTC), key is by
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= dict.fromkeys(("encipher_only", "decipher_only"), False)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=is_root, crl_sign=is_root, **usage), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    parts = ((NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "Acme"))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _read(film: Path) -> tuple[str, dict[str, Any]]:
    from c2pa import Reader

    with Reader(str(film)) as reader:
        found: dict[str, Any] = json.loads(reader.json())
        return reader.get_validation_state(), found


def _source(manifest: dict[str, Any]) -> str:
    (actions,) = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    base, _, term = actions[0]["digitalSourceType"].rpartition("/")
    assert base == "http://cv.iptc.org/newscodes/digitalsourcetype"
    return str(term)


def _packets(film: Path) -> bytes:
    return shots.run("-i", str(film), "-map", "0", "-c", "copy", "-f", "streamhash", "-")


@needs_c2pa
def test_a_signed_film_is_valid_and_one_flipped_byte_is_not(tmp_path: Path) -> None:
    """Its packets are those of the film without, its index still stands in front, and it names the clips with what
    their makers say of them.
    """
    signer, dest = make_signer(tmp_path), tmp_path / "signed.mp4"
    film = remuxed(good(tmp_path / "good.mp4"), tmp_path / "film.mp4", "-movflags", "+faststart")
    marked, junk = tmp_path / "marked.mp4", tmp_path / "junk.mp4"
    junk.write_bytes(b"no clip at all" * 99)
    signer.sign(good(tmp_path / "clip.mp4", seconds=1), marked, "of a vendor", [], DigitalSource.COMPUTED)
    signer.sign(film, dest, "spring.mp4", [tmp_path / "clip.mp4", junk, marked], DigitalSource.WITH_TRAINED_MODELS)
    state, said = _read(dest)
    manifest = said["manifests"][said["active_manifest"]]
    assert (state, manifest["title"]) == ("Valid", "spring.mp4")
    assert manifest["signature_info"]["common_name"] == "Acme Films"
    assert [one["title"] for one in manifest["ingredients"]] == ["Scene 1", "Scene 3"]
    (vendors,) = [one for one in said["manifests"].values() if one is not manifest]
    assert vendors["title"] == "of a vendor"
    assert [_source(one) for one in (manifest, vendors)] == ["compositeWithTrainedAlgorithmicMedia", "algorithmicMedia"]
    assert _packets(dest) == _packets(film)
    whole = dest.read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")
    flipped = bytearray(whole)
    flipped[-2000] ^= 1
    dest.write_bytes(flipped)
    assert _read(dest)[0] == "Invalid"


PROGRAM = """
import sys
from pathlib import Path
from pipelines.domain.footage import DigitalSource
from pipelines.security.film_signature import C2paSigner
import pipelines.bootstrap, worker.__main__
folder = Path(sys.argv[1])
film, signed = folder / "film.mp4", folder / "out.mp4"
signer = C2paSigner(folder / "certificate.pem", folder / "key.pem")
signer.sign(film, signed, "a", [], DigitalSource.COMPUTED)
print("c2pa" in sys.modules, signed.stat().st_size > film.stat().st_size)
"""


@needs_c2pa
def test_a_process_that_has_films_signed_does_not_load_what_signs_them(tmp_path: Path) -> None:
    make_signer(tmp_path)
    good(tmp_path / "film.mp4", seconds=1)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "True"], done.stderr


@needs_c2pa
@pytest.mark.parametrize("fault", ["garbage", "another's", "gone"])
def test_what_a_key_holds_is_never_told_and_nothing_half_signed_is_left(
    fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    signer, film = make_signer(tmp_path), good(tmp_path / "film.mp4", seconds=1)
    other = tmp_path / "other"
    other.mkdir()
    key = make_signer(other).private_key
    if fault == "garbage":
        key.write_text("-----BEGIN PRIVATE KEY-----\nSECRETsecretSECRET\n-----END PRIVATE KEY-----\n")
    held = key.read_text().splitlines()[1]
    if fault == "gone":
        key.unlink()
    broken = replace(signer, private_key=key)
    with pytest.raises(ReelgridError) as caught:
        broken.sign(film, tmp_path / "signed.mp4", "spring.mp4", [], DigitalSource.COMPUTED)
    with pytest.raises(NotConfigured) as checked:
        broken.check()
    assert not (tmp_path / "signed.mp4").exists()
    told = f"{caught.value!r} {caught.value.operator} {checked.value.operator} {caplog.text} {capfd.readouterr()}"
    assert held not in told
    assert "C2PA_PRIVATE_KEY" in checked.value.operator


def test_the_check_says_who_signs_and_when_that_ends(tmp_path: Path) -> None:
    assert "Acme Films" in make_signer(tmp_path).check()
    with pytest.raises(NotConfigured, match="not good today"):
        make_signer(tmp_path, days=-1).check()
    (tmp_path / "certificate.pem").write_text("no certificate")
    with pytest.raises(NotConfigured, match="C2PA_CERTIFICATE"):
        C2paSigner(tmp_path / "certificate.pem", tmp_path / "key.pem").check()
