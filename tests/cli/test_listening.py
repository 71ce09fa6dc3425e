import socket
from pathlib import Path

import pytest

from chatserver.cli.errors import CommandError
from chatserver.cli.listening import address_url, listen, listen_elsewhere
from chatserver.edge.identity import is_loopback


def test_a_free_port() -> None:
    """Port 0 gives a listening socket whose address can be told and connected to."""
    with listen("127.0.0.1", 0, backlog=1, dead_peer_s=40) as listener:
        assert address_url(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert address_url(listener, tls=True).startswith("https://")
        socket.create_connection(listener.getsockname()).close()


def test_a_stalled_peer_is_the_kernels_to_drop() -> None:
    """Accepted sockets inherit the time after which an unacknowledging peer is dropped."""
    with (
        listen("127.0.0.1", 0, backlog=1, dead_peer_s=40) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 40_000


def test_an_address_that_is_not_ours() -> None:
    """A host that cannot be bound is a clear error."""
    with pytest.raises(CommandError) as caught:
        listen("192.0.2.1", 0, backlog=1, dead_peer_s=40)
    assert caught.value.code == "cannot_listen"


def test_a_unix_socket(tmp_path: Path) -> None:
    """uvicorn.toml may name a unix socket instead of a port."""
    listener, name = listen_elsewhere({"uds": str(tmp_path / "s")})
    with listener:
        assert name == f"unix:{tmp_path / 's'}"
        assert listener.family == socket.AF_UNIX
        with pytest.raises(CommandError, match="in use"):
            listen_elsewhere({"uds": str(tmp_path / "s")})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [(host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "")],
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only addresses of this machine itself are loopback."""
    assert is_loopback(host) is loopback
