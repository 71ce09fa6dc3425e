"""`chatserver token`: tokens for development. In production whoever logs users in issues them (CHATSERVER_JWKS)."""

import json as json_format
import secrets
from collections.abc import Sequence

from chatserver.cli.errors import CommandError
from chatserver.settings import load_settings


def token(user: str, *, namespaces: Sequence[str], operator: bool, hours: float, new_key: bool, json: bool) -> None:
    """Prints a token, or with `new_key` a key that tokens can be signed with."""
    if new_key:
        name, value = "key", secrets.token_urlsafe(48)
    elif not user:
        raise CommandError("whose token? name the user: `chatserver token ada`", code="no_user")
    else:
        from chatserver.wiring import issue_token

        settings = load_settings()
        name = "token"
        value = issue_token(settings, user, ttl_s=hours * 3600, namespaces=namespaces, operator=operator)
    print(json_format.dumps({name: value}) if json else value)
