"""The listening socket: bound by us, so that a port in use is one clear line and port 0 can be told."""

import errno
import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatserver.cli.errors import CommandError


def listen(host: str, port: int, *, backlog: int, dead_peer_s: float) -> socket.socket:
    """A TCP socket that accepts into its backlog from now on. A peer that acknowledges nothing for `dead_peer_s` is
    dropped by the kernel: no ping timeout reaps a reader that is stalled. Raises `CommandError`."""
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(dead_peer_s * 1000))
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _explained(error, host, port) from None
    listener.set_inheritable(True)
    return listener


def listen_elsewhere(options: Mapping[str, Any]) -> tuple[socket.socket, str]:
    """A unix socket (`uds`) or an inherited descriptor (`fd`), and what to call it. Raises `CommandError`."""
    path = options.get("uds")
    name = f"unix:{path}" if path else f"fd {options['fd']}"
    listener = None
    try:
        listener = socket.socket(socket.AF_UNIX) if path else socket.socket(fileno=options["fd"])
        if path:
            listener.bind(path)
            Path(path).chmod(0o666)  # as uvicorn does it: a proxy of another user connects
    except OSError as error:
        if listener is not None:
            listener.close()
        raise CommandError(f"cannot listen on {name}: {error.strerror}", code="cannot_listen") from None
    listener.set_inheritable(True)
    return listener, name


def refuse_open(listener: socket.socket) -> None:
    """Raises `CommandError` for a socket that other machines can reach: nobody would have to log in there."""
    if listener.family == socket.AF_UNIX:
        return
    host = listener.getsockname()[0]
    if not ipaddress.ip_address(host).is_loopback:
        raise CommandError(
            f"{host} can be reached from other machines, and nobody has to log in: set CHATSERVER_TOKEN_KEYS or "
            "CHATSERVER_JWKS, or listen on 127.0.0.1",
            code="host_not_loopback",
        )


def address_url(listener: socket.socket, *, tls: bool = False) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _explained(error: OSError, host: str, port: int) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        return CommandError(f"port {port} of {host} is in use; choose another with --port", code="port_in_use")
    if error.errno == errno.EACCES:
        return CommandError(f"port {port} of {host} needs more rights; choose one above 1023", code="port_forbidden")
    return CommandError(f"cannot listen on {host}:{port}: {error.strerror}", code="cannot_listen")
