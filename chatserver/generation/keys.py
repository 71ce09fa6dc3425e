"""The model keys that questions bring along. They are in memory alone and nowhere else: not in the log, not on disk."""

_LIMIT = 1_000
"""Of answers that have not begun here. One that is beyond it has lost its key, like one that another process takes
over."""


class ProviderKeys:
    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<{len(self._keys)} keys>"

    def keep(self, answer: str, key: str) -> None:
        self._keys[answer] = key
        if len(self._keys) > _LIMIT:
            del self._keys[next(iter(self._keys))]

    def of(self, answer: str) -> str | None:
        return self._keys.get(answer)

    def forget(self, answer: str) -> None:
        self._keys.pop(answer, None)
