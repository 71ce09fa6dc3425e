"""The settings of who may come in."""

from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from chatserver.settings.group import Group

MIN_SECRET: Final = 32
"""Characters of a key: what HMAC with SHA-256 is worth, RFC 7518 3.2."""


class Access(Group):
    """Who may come in. Without keys everybody is one user, and the server listens on loopback only."""

    token_keys: SecretStr | None = Field(
        default=None,
        validation_alias="CHATSERVER_TOKEN_KEYS",
        description="secrets of tokens (HS256), with commas between: the first signs, all are accepted; with it, or "
        "the next, everybody logs in",
    )
    jwks: str | None = Field(
        default=None,
        validation_alias="CHATSERVER_JWKS",
        min_length=1,
        description="file or URL of the JSON Web Key Set of whoever issues the tokens; read again for unknown keys",
    )
    issuer: str | None = Field(
        default=None,
        validation_alias="CHATSERVER_TOKEN_ISSUER",
        min_length=1,
        description="`iss` that a token must have",
    )
    audience: str | None = Field(
        default=None,
        validation_alias="CHATSERVER_TOKEN_AUDIENCE",
        min_length=1,
        description="`aud` that a token must have",
    )
    allowed_origins: str | None = Field(
        default=None,
        validation_alias="CHATSERVER_ALLOWED_ORIGINS",
        description="origins of pages elsewhere that may use this server from a browser, with commas between",
    )
    token: SecretStr | None = Field(
        default=None,
        validation_alias="CHATSERVER_TOKEN",
        min_length=1,
        description="the token that `ask`, `chat`, `search` and `graph` show to a server",
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        return _listed(self.token_keys.get_secret_value()) if self.token_keys is not None else ()

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(_listed(self.allowed_origins or ""))

    @property
    def has_logins(self) -> bool:
        return self.token_keys is not None or self.jwks is not None

    @field_validator("token_keys")
    @classmethod
    def _are_long(cls, keys: SecretStr | None) -> SecretStr | None:
        secrets = _listed(keys.get_secret_value()) if keys is not None else None
        if secrets is not None and (not secrets or min(map(len, secrets)) < MIN_SECRET):
            raise ValueError(
                f"each key should have at least {MIN_SECRET} characters; `chatserver token --new-key` makes one"
            )
        return keys

    @field_validator("jwks")
    @classmethod
    def _is_safe_to_read(cls, where: str | None) -> str | None:
        parts = urlsplit(where or "")
        if "://" in (where or "") and not (
            parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))
        ):
            raise ValueError("should be a file, or a URL that starts with https://")
        return where

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: str | None) -> str | None:
        for origin in _listed(origins or ""):
            parts = urlsplit(origin)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError("should name origins like https://chat.example.com, without a path")
        return origins


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_here(host: str | None) -> bool:
    """Whether the name is this machine's own."""
    return host in {"localhost", "127.0.0.1", "::1"}
