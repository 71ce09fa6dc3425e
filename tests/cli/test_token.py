"""`chatserver token`, and commands that talk to a server with logins."""

import json
from collections.abc import Iterator

import pytest

from chatserver.access.keys import Secrets
from chatserver.access.tokens import Tokens
from tests.access.tokens import KEY, token
from tests.cli.conftest import Run
from tests.cli.test_serve import server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with logins, which may therefore listen on every address."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHATSERVER_TOKEN_KEYS", KEY)
        with server(tmp_path_factory.mktemp("served"), "--host", "0.0.0.0") as (_, url):
            yield url.replace("0.0.0.0", "127.0.0.1")


async def test_a_token_is_issued(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed with the first key, for the user and what was said of them."""
    monkeypatch.setenv("CHATSERVER_TOKEN_KEYS", f"{KEY},{'another' * 10}")
    issued = run("token", "ada", "--namespace", "a", "--namespace", "b", "--operator", "--hours", "1").out.strip()
    identity = await Tokens(Secrets([KEY])).identity(issued)
    assert (identity.user, identity.namespaces, identity.operator) == ("ada", frozenset({"a", "b"}), True)
    assert json.loads(run("token", "ada", "--json").out).keys() == {"token"}


def test_a_key_is_made(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough, another one each time."""
    keys = {run("token", "--new-key").out.strip() for _ in range(2)}
    assert len(keys) == 2
    monkeypatch.setenv("CHATSERVER_TOKEN_KEYS", keys.pop())
    assert run("token", "ada").code == 0


@pytest.mark.parametrize(
    ("arguments", "key", "code"),
    [
        (["token"], KEY, "no_user"),
        (["token", "ada"], "", "invalid_settings"),
        (["token", "a\nb"], KEY, "invalid_settings"),
        (["token", "ada"], "short", "invalid_settings"),
    ],
)
def test_no_token(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], key: str, code: str) -> None:
    """Without a user or a good key: one line that says what to do."""
    monkeypatch.setenv("CHATSERVER_TOKEN_KEYS", key)
    result = run(*arguments)
    assert result.code == 1
    assert f"({code})" in result.err
    assert result.err.count("\n") == 1
    assert "short" not in result.err


def test_commands_show_their_token(url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CHATSERVER_TOKEN` lets `ask` and `search` in; without it, or with one that has expired, they are refused in
    one line."""
    for refused in ("", token("ada", ttl_s=-60)):
        monkeypatch.setenv("CHATSERVER_TOKEN", refused)
        for command in ("ask", "search"):
            result = run(command, "/script tokens=2", "--url", url)
            assert result.code == 1
            assert "Traceback" not in result.err
    monkeypatch.setenv("CHATSERVER_TOKEN", token("ada"))
    assert run("ask", "/script tokens=2", "--url", url).out == "t0xxxxx t1xxxxx \n"
    assert run("search", "pump", "--url", url).code == 0
