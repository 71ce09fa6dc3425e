"""What a door takes and gives, for whoever writes a client: `chatserver.edge.description` makes OpenAPI of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

JSON = "application/json"
EVENTS = "text/event-stream"

Contents: TypeAlias = Mapping[str, Any]
"""By media type: the type of a document, for `EVENTS` of each event's data, for other media nothing is said (None)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """`gives` is by status; None for one without a body. Of the errors, which are problem documents, each door gives
    those that its access brings, and what the codes of PROTOCOL.md tell."""

    gives: Mapping[int, Contents | None]
    takes: Contents = field(default_factory=dict)
    query: Any = None
    """A model or typed dictionary with the query parameters."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that a client may send, and what for."""
    tells: Mapping[str, str] = field(default_factory=dict)
    """Headers of what is given."""


def gives(document: Any, status: int = 200, **more: Any) -> About:
    """A JSON document."""
    return About(gives={status: {JSON: document}}, **more)
