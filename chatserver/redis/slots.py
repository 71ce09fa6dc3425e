"""A cluster's slots: which one a key is in, who has it, and where a server sends us instead. Pure."""

from binascii import crc_hqx
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from chatserver.redis.address import Address, Argument

SLOTS: Final = 16_384
_SCRIPTS: Final = {"EVAL", "EVALSHA"}
_KEYLESS: Final = {"CLUSTER", "CONFIG", "INFO", "PING", "TIME"}


def slot_of(key: bytes) -> int:
    """CRC16 (XMODEM) of the key, or of what stands in its first braces when that is not empty; as in the "Redis
    cluster specification"."""
    opened = key.find(b"{")
    closed = key.find(b"}", opened + 1) if opened >= 0 else -1
    return crc_hqx(key[opened + 1 : closed] if closed > opened + 1 else key, 0) % SLOTS


def key_of(command: Sequence[Argument]) -> bytes | None:
    """The first key of a command; None when it has none, and any server will do."""
    if command[0] in _SCRIPTS:
        key = command[3] if int(command[2]) else None
    else:
        key = None if command[0] in _KEYLESS else command[1]
    return None if key is None else key if isinstance(key, bytes) else str(key).encode()


class Redirection(NamedTuple):
    """`asked` is for this command alone, and begins with ASKING; else the slot has moved for good."""

    slot: int
    address: Address
    asked: bool


def redirection(error: str, seed: Address) -> Redirection | None:
    """`MOVED 3999 host:port` or `ASK 3999 host:port`; without a host it is that of the server which said so."""
    code, _, rest = error.partition(" ")
    if code not in {"MOVED", "ASK"}:
        return None
    slot, _, where = rest.partition(" ")
    host, _, port = where.rpartition(":")
    return Redirection(int(slot), beside(seed, host, int(port)), code == "ASK")


class Range(NamedTuple):
    """Slots `first` to `last`, and their master."""

    first: int
    last: int
    master: Address


def ranges(reply: Sequence[Any], seed: Address) -> Iterator[Range]:
    """Of a reply to CLUSTER SLOTS."""
    for first, last, master, *_ in reply:
        yield Range(first, last, _named(master, seed))


def own_name(reply: Sequence[Any], me: bytes, seed: Address) -> Address | None:
    """How the server whose id is `me` is called in a reply to CLUSTER SLOTS; None when it has no slots."""
    servers = (server for _, _, *servers in reply for server in servers)
    return next((_named(server, seed) for server in servers if server[2] == me), None)


def _named(server: Sequence[Any], seed: Address) -> Address:
    return beside(seed, (server[0] or b"").decode(), server[1])


def beside(seed: Address, host: str, port: int) -> Address:
    """Another server of the same cluster: the same user, password and TLS."""
    return replace(seed, host=host or seed.host, port=port, path=None)
