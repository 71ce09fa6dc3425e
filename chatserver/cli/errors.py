"""What a command can end with, as one clear line."""


class CommandError(Exception):
    """`code` is stable, the message tells a person what to do."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def explained(error: BaseException) -> str | None:
    """The line for an error that says what is wrong (our own errors carry a `code`); None for a bug."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    code = getattr(error, "code", None)
    if not isinstance(code, str):
        return None
    faults = getattr(error, "faults", None)
    if faults is None or len(faults) == 1:
        return f"{error} ({code})"
    return f"{len(faults)} faults ({code})" + "".join(f"\n  {fault}" for fault in faults)
