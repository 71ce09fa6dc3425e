"""What a client proves itself with."""

from collections.abc import Callable


class Token:
    """A bearer token, or a function that gives one that has not expired."""

    def __init__(self, given: str | Callable[[], str] | None = None) -> None:
        self._given = given

    def __repr__(self) -> str:
        return f"<{'no ' if self._given is None else ''}token>"

    @property
    def can_change(self) -> bool:
        """Whether trying again with it may help."""
        return callable(self._given)

    def headers(self) -> dict[str, str]:
        token = self._given() if callable(self._given) else self._given
        return {} if token is None else {"Authorization": f"Bearer {token}"}
