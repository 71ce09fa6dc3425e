"""Ports for servers that the tests start as processes."""

import atexit
import socket
from contextlib import ExitStack
from typing import Final

_held: Final = ExitStack()
atexit.register(_held.close)


def free_port() -> int:
    """One that nobody else is given as long as this process runs, so that a server may take it seconds later, and again
    after it was killed. It stays bound here, not listening: whoever asks the system for any port gets another one, a
    server that names it gets it (each sets SO_REUSEADDR), and who connects before that is refused."""
    held = _held.enter_context(socket.socket())
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    return port
