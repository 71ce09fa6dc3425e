"""Tokens as `chatserver token` issues them."""

from collections.abc import Sequence

from chatserver.access.keys import Secrets
from chatserver.access.tokens import issue

KEY = "a key that only the tests know and that is long enough"


def token(
    user: str, *, ttl_s: float = 3600, namespaces: Sequence[str] = (), operator: bool = False, key: str = KEY
) -> str:
    return issue(Secrets([key]).signing, user, ttl_s=ttl_s, namespaces=namespaces, operator=operator)
