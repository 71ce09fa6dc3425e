"""Who is asking, and what belongs to them. Pure."""

from dataclasses import dataclass
from typing import Final, Protocol

from chatserver.answers.meta import NewAnswer


@dataclass(frozen=True, slots=True)
class Identity:
    """A user with what they may reach. Chats, answers and jobs are a user's own; documents are a namespace's."""

    user: str
    namespaces: frozenset[str] | None = None
    """None: every one there is."""
    operator: bool = False
    """Whether they may see what runs here for others."""
    expires_at: float | None = None
    """Seconds since the Unix epoch; nothing is served to them from then on."""
    address: str | None = None
    """Where they come from, for limits alone: None on a unix socket."""

    def may_use(self, namespace: str) -> bool:
        return self.namespaces is None or namespace in self.namespaces

    def owns(self, question: NewAnswer) -> bool:
        """Theirs are the questions that they asked, as long as they may use the namespaces that these were asked in."""
        return question.user == self.user and self.may_use(question.namespace)


ANONYMOUS: Final = Identity("anonymous", operator=True)
"""Everybody, on a server that only its own machine reaches."""


class TokenRejected(Exception):
    """The token proves nothing. The message is fit for its bearer, and tells nothing of the token or of keys."""

    code = "unauthenticated"


class KeysUnavailable(Exception):
    """The keys that tokens are checked with can't be read now; trying again may help."""

    code = "unavailable"


class Verifier(Protocol):
    async def identity(self, token: str) -> Identity:
        """Whose token it is. Raises `TokenRejected`, `KeysUnavailable`."""
