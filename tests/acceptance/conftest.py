"""One running product for all acceptance tests, behind a proxy that speaks https to the outside."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.acceptance.control_room import Room
from tools.stack import Stack, free_port

HOP = {"connection", "transfer-encoding", "host", "content-length"}


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reelgrid acceptance")])
    now = dt.datetime.now(dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "proxy.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Proxy:
    """Terminates TLS and passes requests on in the clear, as a platform's edge does."""

    def __init__(self, inside_port: int, certificate: Path) -> None:
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                added = {"X-Forwarded-Proto": "https", "X-Forwarded-For": self.client_address[0], "Host": proxy.netloc}
                url = f"http://127.0.0.1:{inside_port}{self.path}"
                with httpx.stream(self.command, url, content=body, headers=headers | added, timeout=60) as answer:
                    self._answer(answer)

            def _answer(self, answer: httpx.Response) -> None:
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP - {"content-length"}:
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                if self.command != "HEAD":
                    for piece in answer.iter_raw():
                        self.wfile.write(piece)
                self.close_connection = True

            do_GET = do_POST = do_HEAD = _pass  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """The product logs enough."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://{self.netloc}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str, ssl.SSLContext]]:
    """The product, its https address, and a client's trust in it."""
    folder = tmp_path_factory.mktemp("acceptance")
    certificate, port = make_certificate(folder), free_port()
    proxy = Proxy(port, certificate)
    stack = Stack(
        folder / "var",
        extra={"PUBLIC_URL": proxy.url, "SSL_CERT_FILE": str(certificate)},
        sandbox_environ={"SSL_CERT_FILE": str(certificate), "SANDBOX_GENERATION_S": "0.4"},
        port=port,
    )
    with stack:
        yield stack, proxy.url, ssl.create_default_context(cafile=certificate)
    proxy.close()


@pytest.fixture(scope="session")
def stack(outside: tuple[Stack, str, ssl.SSLContext]) -> Stack:
    """The product, talked to from inside."""
    return outside[0]


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A product with a key, in which films over 30 cents ask first; push is off unless a test wants it."""
    stack = Stack(
        tmp_path_factory.mktemp("control") / "var",
        extra={"APPROVAL": "above:0.3", "WORKERS": "1"},
        sandbox_environ={"SANDBOX_GENERATION_S": "0.3"},
    )
    with stack:
        stack.flask("airtable", "push", "off")
        made = stack.flask("keys", "create", "airtable", "--json")
        yield Room(stack, json.loads(made.stdout)["key"])
