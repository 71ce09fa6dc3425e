"""Settings from the environment and a file, every fault told at once."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_settings import InitSettingsSource

from chatserver.settings.schema import Settings, Variable, variables

PREFIX: Final = "CHATSERVER_"
FILE_VARIABLE: Final = "CHATSERVER_CONFIG"


class SettingsError(Exception):
    """The configuration is not valid; `faults` has one line for each thing that is wrong."""

    code = "invalid_settings"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(*faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(self.faults)


def load_settings(
    environ: Mapping[str, str] | None = None, *, overrides: Mapping[str, object] | None = None
) -> Settings:
    """Settings from `overrides` (by the same names), then the environment, then the file. Raises `SettingsError`."""
    environ = os.environ if environ is None else environ
    # Compose files pass unset variables as empty ones.
    from_environ: dict[str, object] = {name: value for name, value in environ.items() if value}
    from_file, faults = _read_file(from_environ.get(FILE_VARIABLE))
    known = {variable.name: variable for variable in variables()}
    faults += _unknown(from_environ, known, "environment", only_ours=True)
    faults += _unknown(from_file, known, "file", only_ours=False)

    layers = [overrides or {}, from_environ, from_file]
    sources = tuple(InitSettingsSource(Settings, init_kwargs=_grouped(layer)) for layer in layers)
    try:
        # A documented parameter, hidden from type checkers by pydantic's dataclass_transform.
        settings = Settings(_build_sources=(sources, {}))  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(faults + _faults(error, known)) from None
    if faults:
        raise SettingsError(faults)
    return settings


def to_environment(settings: Settings) -> dict[str, str]:
    """What `load_settings` makes these settings of: for a process of ours. Holds the secrets."""
    environment = {}
    for variable in variables():
        value = getattr(getattr(settings, variable.group), variable.field)
        if value is not None and value != variable.default:
            environment[variable.name] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return environment


def _read_file(path: object) -> tuple[dict[str, object], list[str]]:
    if path is None:
        return {}, []
    try:
        return tomllib.loads(Path(str(path)).read_text(encoding="utf-8")), []
    except OSError as error:
        return {}, [f"{FILE_VARIABLE} = {str(path)!r}: cannot be read ({error.strerror})"]
    except ValueError as error:  # not TOML, or not UTF-8
        return {}, [f"{FILE_VARIABLE} = {str(path)!r}: is not valid TOML ({error})"]


def _unknown(values: Mapping[str, object], known: Mapping[str, Variable], where: str, *, only_ours: bool) -> list[str]:
    faults = []
    for name in sorted(values):
        if name in known or name == FILE_VARIABLE or (only_ours and not name.startswith(PREFIX)):
            continue
        nearest = get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        faults.append(f"{name} ({where}): no such setting{hint}")
    return faults


def _grouped(values: Mapping[str, object]) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for variable in variables():
        if variable.name in values:
            groups.setdefault(variable.group, {})[variable.name] = values[variable.name]
    return groups


def _faults(error: ValidationError, known: Mapping[str, Variable]) -> list[str]:
    """One line for each error. Only numbers are quoted back: anything else might hold a secret."""
    faults = []
    for detail in error.errors(include_url=False):
        message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
        variable = known.get(str(detail["loc"][1])) if len(detail["loc"]) > 1 else None
        if variable is None:
            faults.append(message)
            continue
        shown = f" = {detail['input']!r}" if variable.number else ""
        faults.append(f"{variable.name}{shown}: {message} (default: {variable.default})")
    return faults
