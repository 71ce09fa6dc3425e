"""Tokens and their keys: what is accepted, what is not, and how keys change."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chatserver.access.identity import Identity, KeysUnavailable, TokenRejected
from chatserver.access.key_files import key_set_reader
from chatserver.access.keys import AllKeys, KeySet, Secrets
from chatserver.access.tokens import LEEWAY_S, Tokens, issue
from tests.access.tokens import KEY, token

OTHER_KEY = "another key that is as long as it has to be"


def signed(claims: Mapping[str, Any], key: Any = KEY, algorithm: str = "HS256", **header: Any) -> str:
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=header)


def claims(**changed: Any) -> dict[str, Any]:
    return {"sub": "ada", "exp": time.time() + 60, **changed}


def tokens(*secrets: str, **options: Any) -> Tokens:
    return Tokens(Secrets(secrets or (KEY,)), **options)


async def test_who_and_what_a_token_says() -> None:
    """User, namespaces, operator and end; without namespaces it is for the nameless one."""
    plain = await tokens().identity(token("ada", ttl_s=60))
    assert (plain.user, plain.namespaces, plain.operator) == ("ada", frozenset({""}), False)
    assert plain.expires_at == pytest.approx(time.time() + 60 + LEEWAY_S, abs=30)
    rich = await tokens().identity(token("ada", namespaces=["a", "b"], operator=True))
    assert (rich.namespaces, rich.operator) == (frozenset({"a", "b"}), True)
    assert (await tokens().identity(token("ada", namespaces=["*"]))).namespaces is None


BAD: Mapping[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "noise": lambda: "a.b.c",
    "no ASCII": lambda: "é.é.é",
    "endless": lambda: "x" * 9000,
    "another key": lambda: signed(claims(), OTHER_KEY),
    "expired": lambda: signed(claims(exp=time.time() - LEEWAY_S - 5)),
    "not yet": lambda: signed(claims(nbf=time.time() + 3600)),
    "no end": lambda: signed({"sub": "ada"}),
    "nobody": lambda: signed({"exp": time.time() + 60}),
    "a nameless user": lambda: signed(claims(sub="")),
    "a long name": lambda: signed(claims(sub="x" * 201)),
    "a name of two lines": lambda: signed(claims(sub="a\nb")),
    "namespaces that are no list": lambda: signed(claims(namespaces="a")),
    "namespaces that are no names": lambda: signed(claims(namespaces=[1])),
    "another algorithm": lambda: signed(claims(), algorithm="HS384"),
    "unsigned": lambda: signed(claims(), None, "none"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_is_no_token_of_ours(what: str) -> None:
    """Rejected in words that tell nothing of the token or of keys."""
    bad = BAD[what]()
    with pytest.raises(TokenRejected) as caught:
        await tokens().identity(bad)
    assert KEY not in str(caught.value)
    assert not bad or bad not in str(caught.value)


async def test_issuer_and_audience_count_when_they_are_set() -> None:
    """A token for another service of the same issuer is none for us."""
    checked = tokens(issuer="https://login.example", audience="chat")
    good = signed(claims(iss="https://login.example", aud=["chat", "mail"]))
    assert (await checked.identity(good)).user == "ada"
    for wrong in ({"iss": "https://login.example", "aud": "mail"}, {"iss": "https://evil.example", "aud": "chat"}, {}):
        with pytest.raises(TokenRejected):
            await checked.identity(signed(claims(**wrong)))


async def test_keys_rotate_without_a_gap() -> None:
    """With the new key in front both keys' tokens are good; without the old one its tokens are not. A token from
    elsewhere, without a key's name, is tried with each."""
    old, new = token("ada", key=KEY), issue(Secrets([OTHER_KEY, KEY]).signing, "ada", ttl_s=60)
    both = tokens(OTHER_KEY, KEY)
    for each in (old, new, signed(claims(), KEY), signed(claims(), OTHER_KEY)):
        assert (await both.identity(each)).user == "ada"
    with pytest.raises(TokenRejected):
        await tokens(OTHER_KEY).identity(old)


def public(key: Any, id: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": id, "use": "sig"}


class Published:
    """The key set of a login service, as a real file."""

    def __init__(self, path: Path, *keys: Mapping[str, Any]) -> None:
        self.path = path
        self.now = 0.0
        self.reads = 0
        self.publish(*keys)

    def publish(self, *keys: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps({"keys": keys}))

    def tokens(self) -> Tokens:
        read = key_set_reader(str(self.path))

        async def counted() -> Mapping[str, Any]:
            self.reads += 1
            return await read()

        return Tokens(KeySet(counted, clock=lambda: self.now))


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def curve_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


async def test_a_key_set_rotates(tmp_path: Path, key: Any, curve_key: Any) -> None:
    """A key that the set did not have a moment ago is found by reading it again, once its last reading is a while ago;
    a key that was taken away is forgotten."""
    published = Published(tmp_path / "keys.json", public(key, "k1"))
    tokens = published.tokens()
    assert (await tokens.identity(signed(claims(), key, "RS256", kid="k1"))).user == "ada"
    published.publish(public(curve_key, "k2"))
    published.now = 11.0
    assert (await tokens.identity(signed(claims(), curve_key, "ES256", kid="k2"))).user == "ada"
    with pytest.raises(TokenRejected):
        await tokens.identity(signed(claims(), key, "RS256", kid="k1"))


async def test_made_up_keys_do_not_read_the_set_each_time(tmp_path: Path, key: Any) -> None:
    """However many tokens name keys that nobody has."""
    published = Published(tmp_path / "keys.json", public(key, "k1"))
    tokens = published.tokens()
    for number in range(50):
        with pytest.raises(TokenRejected):
            await tokens.identity(signed(claims(), key, "RS256", kid=f"invented-{number}"))
    assert published.reads == 1


async def test_a_set_that_is_away_keeps_its_keys(tmp_path: Path, key: Any) -> None:
    """Until it can be read again; one that never could be is an outage and not a wrong token."""
    published = Published(tmp_path / "keys.json", public(key, "k1"))
    tokens = published.tokens()
    good = signed(claims(), key, "RS256", kid="k1")
    await tokens.identity(good)
    published.path.write_text("not a key set")
    published.now = 1000.0
    assert (await tokens.identity(good)).user == "ada"
    with pytest.raises(KeysUnavailable):
        await published.tokens().identity(good)


async def test_a_public_key_is_no_secret(tmp_path: Path, key: Any) -> None:
    """What everybody can read signs nothing: neither as HMAC secret of a forged token (algorithm confusion), nor as a
    shared secret that a set publishes."""
    secret = base64.urlsafe_b64encode(b"s" * 40).rstrip(b"=").decode()
    published = Published(tmp_path / "keys.json", public(key, "k1"), {"kty": "oct", "k": secret, "kid": "s"})
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = _hmac_signed(claims(), pem, kid="k1")
    for bad in (forged, signed(claims(), b"s" * 40, kid="s")):
        with pytest.raises(TokenRejected):
            await published.tokens().identity(bad)


def _hmac_signed(claims: Mapping[str, Any], key: bytes, **header: Any) -> str:
    """By hand: PyJWT refuses to do it."""

    def part(value: Mapping[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part({"alg": "HS256", "typ": "JWT", **header}) + b"." + part(claims)
    return (body + b"." + base64.urlsafe_b64encode(hmac.digest(key, body, "sha256")).rstrip(b"=")).decode()


@pytest.fixture
def served_set() -> Iterator[Callable[[bytes], str]]:
    """Serves bytes over HTTP, at an address of this machine."""
    servers: list[HTTPServer] = []

    def serve(content: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/keys"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


async def test_a_key_set_over_http(served_set: Callable[[bytes], str], key: Any) -> None:
    """Read from the address that a login service publishes it at; what is too large or nobody's is no set."""
    where = served_set(json.dumps({"keys": [public(key, "k1")]}).encode())
    good = signed(claims(), key, "RS256", kid="k1")
    assert (await Tokens(KeySet(key_set_reader(where))).identity(good)).user == "ada"
    for bad in (served_set(b" " * (2 << 20)), served_set(b"[]"), "http://127.0.0.1:1/keys"):
        with pytest.raises(KeysUnavailable):
            await Tokens(KeySet(key_set_reader(bad))).identity(good)


async def test_a_set_that_is_away_does_not_shut_out_our_own_tokens(tmp_path: Path) -> None:
    """Of two sources of keys the one that answers is enough."""
    sources = AllKeys([KeySet(key_set_reader(str(tmp_path / "missing"))), Secrets([KEY])])
    assert (await Tokens(sources).identity(token("ada"))).user == "ada"


def test_what_an_identity_owns() -> None:
    """A user's own questions in namespaces that they may use."""
    assert Identity("ada").may_use("anything")
    assert not Identity("ada", frozenset({""})).may_use("other")
