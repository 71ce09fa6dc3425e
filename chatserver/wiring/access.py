"""Who may come in: tokens checked with the configured keys."""

from collections.abc import Sequence

from chatserver.access.identity import Verifier
from chatserver.access.key_files import key_set_reader
from chatserver.access.keys import AllKeys, KeySet, KeySource, Secrets
from chatserver.access.tokens import Tokens, issue
from chatserver.settings import Settings, SettingsError


def open_verifier(settings: Settings) -> Verifier | None:
    """None without keys: then nobody can log in."""
    access = settings.access
    sources: list[KeySource] = []
    if access.token_keys is not None:
        sources.append(Secrets(access.secrets))
    if access.jwks is not None:
        sources.append(KeySet(key_set_reader(access.jwks)))
    return Tokens(AllKeys(sources), issuer=access.issuer, audience=access.audience) if sources else None


def issue_token(settings: Settings, user: str, *, ttl_s: float, namespaces: Sequence[str], operator: bool) -> str:
    """A token that a server with these settings accepts. Raises `SettingsError` without a key of our own, and for what
    can't be a user."""
    access = settings.access
    if access.token_keys is None:
        raise SettingsError(["a token needs a key to be signed with: set CHATSERVER_TOKEN_KEYS"])
    key = Secrets(access.secrets).signing
    try:
        return issue(
            key,
            user,
            ttl_s=ttl_s,
            namespaces=namespaces,
            operator=operator,
            issuer=access.issuer,
            audience=access.audience,
        )
    except ValueError as error:
        raise SettingsError([f"{error}"]) from None
