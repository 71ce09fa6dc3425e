"""`uvicorn.toml`: how the HTTP server listens. uvicorn itself reads no such file, so we map it to `uvicorn.Config`.

Every key is a keyword argument of `uvicorn.Config` and is checked against its signature: an unknown key or a value of
the wrong type is an error. The file's values lie over `DEFAULTS`.
"""

import inspect
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from uvicorn import Config

FILE_NAME: Final = "uvicorn.toml"
SOURCE_PACKAGES: Final = ("chatserver", "retrieval", "graph", "prompts")

# The repository's uvicorn.toml says the same, each with its reason; a test holds the two together.
DEFAULTS: Final[Mapping[str, Any]] = {
    "host": "127.0.0.1",
    "port": 8000,
    "loop": "asyncio",
    "http": "chatserver.edge.handshake:PatientH11",
    "ws": "websockets-sansio",
    "lifespan": "on",
    "ws_max_size": 4 * 1024 * 1024,
    "ws_per_message_deflate": False,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "timeout_graceful_shutdown": 1,
    "timeout_keep_alive": 5,
    "log_level": "warning",
    "access_log": False,
    "log_config": None,
    "server_header": False,
    "reload_dirs": list(SOURCE_PACKAGES),
}

# Ours to give, or not to be written in TOML.
_RESERVED: Final = frozenset({"self", "app", "factory", "callback_notify", "ssl_context_factory"})


class ServerConfigError(Exception):
    """The server's file is not valid; `faults` has one line for each thing that is wrong."""

    code = "invalid_server_config"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(*faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(self.faults)


def load_server_config(
    path: Path | None = None, *, directory: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Keyword arguments for `uvicorn.Config` (without `app`): `overrides` over the file over `DEFAULTS`.

    The file is `path`, else `uvicorn.toml` in `directory` (default: the working directory) when there is one.
    Raises `ServerConfigError`.
    """
    options = dict(DEFAULTS)
    file = path or (directory or Path.cwd()) / FILE_NAME
    if path is not None or file.is_file():
        options |= _checked(_read(file), str(file))
    options |= _checked(overrides or {}, "option")
    # uvicorn warns of reload_dirs that it isn't going to watch.
    reload_dirs = options.pop("reload_dirs")
    if options.get("reload"):
        options["reload_dirs"] = [str(_directory(package)) for package in reload_dirs]
    return options


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ServerConfigError([f"{file}: cannot be read ({error.strerror})"]) from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise ServerConfigError([f"{file}: is not valid TOML ({error})"]) from None


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    faults: list[str] = []
    checked: dict[str, Any] = {}
    for key, value in values.items():
        try:
            checked[key] = _value(key, value)
        except ValueError as error:
            faults.append(f"{where}: {key}: {error}")
    if faults:
        raise ServerConfigError(faults)
    return checked


def _value(key: str, value: Any) -> Any:
    kinds = _parameters()
    if key not in kinds:
        nearest = get_close_matches(key, kinds, n=1)
        raise ValueError("no such key" + (f"; did you mean {nearest[0]}?" if nearest else ""))
    if key == "reload_dirs":
        return _packages(value)
    try:
        return kinds[key].validate_python(value)
    except ValidationError as error:
        reasons = {detail["msg"].replace("Input should", "should") for detail in error.errors()}
        raise ValueError(f"{' or '.join(sorted(reasons))}, not {value!r}") from None


@cache
def _parameters() -> dict[str, TypeAdapter[Any]]:
    """What may stand in the file: the parameters of `uvicorn.Config` with their types."""
    hints = get_type_hints(Config.__init__)
    config = ConfigDict(arbitrary_types_allowed=True)
    return {
        name: TypeAdapter(Any if name == "log_config" else hints[name], config=config)
        for name in inspect.signature(Config).parameters
        if name not in _RESERVED
    }


def _packages(value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    strangers = [name for name in names if name not in SOURCE_PACKAGES]
    if strangers or not names:
        raise ValueError(f"may only name source packages ({', '.join(SOURCE_PACKAGES)}), not {strangers!r}")
    return names


def _directory(package: str) -> Path:
    """The four packages lie side by side, in a checkout as in an installation."""
    return Path(__file__).resolve().parent.parent / package
