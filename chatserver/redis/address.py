"""Where a Redis is, and how a connection begins there. Pure."""

from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

Argument: TypeAlias = str | bytes | int | float
"""What a command may be made of."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis is and how to be let in. Never printed: it may hold a password."""

    host: str
    port: int
    path: str | None
    tls: bool
    username: str | None
    password: str | None
    database: int

    @classmethod
    def parse(cls, url: str) -> "Address":
        """`redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, `unix://…/path[?db=N]`. Raises
        `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("should be a URL that starts with redis:// or rediss:// or unix://")
        local = parts.scheme == "unix"
        database = parse_qs(parts.query).get("db", ["0"])[0] if local else parts.path.strip("/") or "0"
        if not database.isdigit():
            raise ValueError("the database of Redis should be a number")
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            path=unquote(parts.path) if local else None,
            tls=parts.scheme == "rediss",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            database=int(database),
        )

    def greeting(self) -> list[tuple[Argument, ...]]:
        """The commands that a connection begins with."""
        commands: list[tuple[Argument, ...]] = []
        if self.password is not None:
            commands.append(("AUTH", *((self.username,) if self.username else ()), self.password))
        if self.database:
            commands.append(("SELECT", self.database))
        return [*commands, ("CLIENT", "SETNAME", "chatserver"), ("PING",)]
