"""Bearer tokens: JSON Web Tokens, by PyJWT.

Claims: `sub` the user, `exp` when it ends, both required; `namespaces` a list of names, or `"*"` for every one (without
it: the nameless one alone); `scope` words with spaces between, `operator` among them for an operator.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jwt

from chatserver.access.identity import Identity, TokenRejected
from chatserver.access.keys import Key, KeySource

LEEWAY_S: Final = 5
"""How far the issuer's clock and ours may be apart."""
MAX_CHARACTERS: Final = 8192


class Tokens:
    """A `Verifier`. `keys` are looked up by a token's `kid`, or all tried for a token without one."""

    def __init__(self, keys: KeySource, *, issuer: str | None = None, audience: str | None = None) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    async def identity(self, token: str) -> Identity:
        """Raises `TokenRejected`, `KeysUnavailable`."""
        if len(token) > MAX_CHARACTERS:
            raise TokenRejected("The token is too long.")
        for key in await self._candidates(token):
            try:
                return _identity(self._claims(token, key))
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise TokenRejected("The token has expired.") from None
            except (jwt.PyJWTError, ValueError):  # of another issuer, for others, not yet valid, a claim missing
                raise TokenRejected("The token is not valid here.") from None
        raise TokenRejected("The token is not signed with a key of this server's.")

    async def _candidates(self, token: str) -> Sequence[Key]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenRejected("That is no token.") from None
        kid = header.get("kid")
        keys = await self._keys.keys(kid if isinstance(kid, str) else None)
        return [key for key in keys if key.algorithm == header.get("alg")]

    def _claims(self, token: str, key: Key) -> Mapping[str, Any]:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key.verifying,
            algorithms=[key.algorithm],  # the key's own: a token never chooses how it is checked
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
        )
        return claims


def issue(
    key: Key,
    user: str,
    *,
    ttl_s: float,
    namespaces: Sequence[str] = (),
    operator: bool = False,
    issuer: str | None = None,
    audience: str | None = None,
    clock: Callable[[], float] = time.time,
) -> str:
    """A token that `Tokens` accepts. `namespaces` may be `["*"]`. Raises `ValueError` for a user that can't be one."""
    now = int(clock())
    claims: dict[str, Any] = {"sub": user, "iat": now, "exp": now + round(ttl_s)}
    if namespaces:
        claims["namespaces"] = "*" if "*" in namespaces else list(namespaces)
    claims |= {"scope": "operator"} if operator else {}
    claims |= {name: value for name, value in (("iss", issuer), ("aud", audience)) if value is not None}
    _identity(claims)
    return jwt.encode(claims, key.signing, algorithm=key.algorithm, headers={"kid": key.id} if key.id else None)


def _identity(claims: Mapping[str, Any]) -> Identity:
    user, namespaces, scope = claims["sub"], claims.get("namespaces", [""]), claims.get("scope", "")
    if not (isinstance(user, str) and 0 < len(user) <= 200 and user.isprintable()):
        raise ValueError("a user has 1 to 200 printable characters")
    return Identity(
        user,
        _names(namespaces),
        operator=isinstance(scope, str) and "operator" in scope.split(),
        expires_at=float(claims["exp"]) + LEEWAY_S,
    )


def _names(value: object) -> frozenset[str] | None:
    if value == "*":
        return None
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return frozenset(value)
    raise ValueError("`namespaces` is a list of names")
