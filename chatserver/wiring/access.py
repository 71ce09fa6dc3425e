"""Who may come in: tokens checked with the configured keys."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from chatserver.access.identity import Verifier
from chatserver.access.key_files import key_set_reader
from chatserver.access.keys import AllKeys, KeySet, KeySource, Secrets
from chatserver.access.limiting import Limiting, shared_store
from chatserver.access.quotas import Allowance, Quotas
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


def own_limit(settings: Settings, value: int, field: str) -> int | None:
    """A limit of one user. Without logins everybody is one user, on one machine: there only those hold that somebody
    has set."""
    return value if settings.access.has_logins or field in settings.quotas.model_fields_set else None


@asynccontextmanager
async def open_quotas(settings: Settings) -> AsyncIterator[Quotas]:
    """Rates are counted on Redis when one is set, for all nodes together."""
    quotas, url = settings.quotas, settings.redis.url

    def held(value: int, field: str) -> int | None:
        return own_limit(settings, value, field)

    megabytes = held(quotas.user_ingest_mb, "user_ingest_mb")
    allowance = Allowance(
        connections=held(quotas.user_connections, "user_connections"),
        questions_per_minute=held(quotas.user_questions, "user_questions"),
        requests_per_minute=held(quotas.user_requests, "user_requests"),
        ingest_bytes_per_day=None if megabytes is None else megabytes * 1_000_000,
        spend_per_day=quotas.user_spend,
        input_price=quotas.input_price,
        output_price=quotas.output_price,
        address=quotas.users_per_address,
    )
    limiting = Limiting(
        allowance,
        connections=quotas.max_connections,
        requests=quotas.max_requests,
        shared=shared_store(url.get_secret_value()) if url is not None else None,
    )
    try:
        yield limiting
    finally:
        await limiting.aclose()


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
