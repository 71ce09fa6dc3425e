"""From where a server may be used: without logins from its own machine alone, with them as the operator says."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from chatserver.access.identity import ANONYMOUS
from chatserver.cli.reach import own_server
from chatserver.edge.identity import anonymous, token_of
from chatserver.edge.problems import Problem
from chatserver.settings import Access, Model, Settings, Storage
from tests.access.tokens import KEY, token
from tests.edge.test_authorisation import Served, bearer

Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(storage=Storage(data_dir=tmp_path), model=Model(name="scripted"))


def scope(host: str | None, server: Any = ("127.0.0.1", 8000)) -> dict[str, Any]:
    return {"headers": [] if host is None else [(b"host", host.encode())], "server": server}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.9.9.9"])
@pytest.mark.parametrize("server", [("127.0.0.1", 8000), ("::1", 8000), ("/run/chat.sock", None), None])
async def test_this_machine_is_anonymous(host: str, server: Any) -> None:
    """Bound to loopback or a unix socket, and called by this machine's own name."""
    assert await anonymous(scope(host, server)) is ANONYMOUS


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1", "", "[", None, "127.0.0.1.nip.io"]
)
async def test_another_name_is_not_served(host: str | None) -> None:
    """A page whose name was made to lead here (DNS rebinding) has that name in `Host`."""
    with pytest.raises(Problem) as caught:
        await anonymous(scope(host))
    assert caught.value.status == 403


@pytest.mark.parametrize("server", [("10.0.0.1", 80), ("0.0.0.0", 80), ("::", 80)])
async def test_a_server_that_others_reach_serves_nobody_anonymously(server: tuple[str, int]) -> None:
    """However it came to listen there: `chatserver serve` would have refused to."""
    with pytest.raises(Problem):
        await anonymous(scope("localhost", server))


@pytest.mark.parametrize(
    ("headers", "protocols", "expected"),
    [
        ([], [], None),
        ([("authorization", "Bearer a")], ["bearer.b"], "a"),
        ([("authorization", "bearer  a ")], [], "a"),
        ([("authorization", "Basic a"), ("cookie", "chatserver_token=c")], ["chat.v1", "bearer.b"], "b"),
        ([("authorization", "Bearer"), ("cookie", "x=1; chatserver_token=c")], ["chat.v1"], "c"),
        ([("cookie", "chatserver_token=")], [], None),
        ([("cookie", "a b c; \x00=;;=")], [], None),
    ],
)
def test_where_a_token_is_looked_for(
    headers: list[tuple[str, str]], protocols: list[str], expected: str | None
) -> None:
    """In the header, else among the subprotocols, else in the cookie."""
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    assert token_of({"headers": encoded, "subprotocols": protocols}) == expected


async def test_a_page_of_a_rebound_name_gets_nothing(settings: Settings) -> None:
    """Over real sockets: 403 at the doors, 4403 on the socket, though `Origin` and `Host` agree."""
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    async with own_server(settings) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        refused = await http.get("/v1/chats", headers=rebound)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert await Served(url).first_event("/ws", {"Origin": "http://evil.example"}) == "4403"
        assert (await http.get("/v1/chats")).status_code == 200


async def test_an_allowed_origin_may_use_the_socket(settings: Settings) -> None:
    """A page elsewhere that the operator has named; its neighbour is none."""
    access = Access(token_keys=SecretStr(KEY), allowed_origins="https://chat.example, https://app.example:8443")
    async with own_server(settings.model_copy(update={"access": access})) as url:
        for origin, expected in (("https://app.example:8443", "welcome"), ("https://app.example", "4403")):
            headers = {**bearer(token("ada")), "Origin": origin}
            assert await Served(url).first_event("/ws", headers) == expected


@pytest.mark.parametrize(("trusted", "secure"), [("127.0.0.1", True), ("192.0.2.1", False)])
async def test_only_a_trusted_proxy_is_believed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str, secure: bool
) -> None:
    """`X-Forwarded-Proto` and `-For` count from the hosts of `forwarded_allow_ips` in uvicorn.toml alone."""
    (tmp_path / "uvicorn.toml").write_text(f'forwarded_allow_ips = "{trusted}"\n')
    monkeypatch.chdir(tmp_path)
    access = Access(token_keys=SecretStr(KEY))
    async with (
        own_server(settings.model_copy(update={"access": access})) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http,
    ):
        begun = await http.post("/v1/session", json={"token": token("ada")}, headers={"X-Forwarded-Proto": "https"})
    assert begun.headers["set-cookie"].endswith("; Secure") is secure
