"""TLS by `uvicorn.toml`."""

import datetime
import json
import ssl
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.cli.test_serve import WAIT_S, server


def certified(directory: Path) -> Path:
    """A certificate for this machine's address, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chatserver's tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path = directory / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


async def test_tls_by_the_servers_file(tmp_path: Path) -> None:
    """Page, doors and socket over TLS alone, with the certificate that the file names."""
    certificate = certified(tmp_path)
    (tmp_path / "uvicorn.toml").write_text('ssl_certfile = "certificate.pem"\nssl_keyfile = "key.pem"\n')
    trust = ssl.create_default_context(cafile=str(certificate))
    with server(tmp_path) as (_, url):
        assert url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url, verify=trust, trust_env=False, timeout=WAIT_S) as http:
            page = await http.get("/")
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        secure = url.replace("https", "wss", 1) + "/ws"
        async with websockets.connect(
            secure,
            subprotocols=["chat.v1"],  # type: ignore[list-item]
            ssl=trust,
            proxy=None,
            open_timeout=WAIT_S,
        ) as socket:
            assert json.loads(await socket.recv())["type"] == "welcome"
