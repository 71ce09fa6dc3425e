"""All settings, as frozen values in groups.

Each setting has one name, the same in the environment and in the file that `CHATSERVER_CONFIG` points to (TOML, one
`NAME = value` a line); the environment wins. `load_settings` reads both and reports every fault at once.
`Settings()` itself reads nothing of the machine, so that a test builds exactly what it says:
`Settings(generation=Generation(lease_s=1))`.

How the HTTP server listens is not here but in `uvicorn.toml`, see `chatserver.server_config`.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX: Final = "CHATSERVER_"
FILE_VARIABLE: Final = "CHATSERVER_CONFIG"
DEFAULT_MODEL: Final = "gpt-5.4-mini"

ModelKind: TypeAlias = Literal["extractive", "scripted", "openai"]


class SettingsError(Exception):
    """The configuration is not valid; `faults` has one line for each thing that is wrong."""

    code = "invalid_settings"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(*faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(self.faults)


def _url(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(f"should be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return url

    return AfterValidator(check)


HttpUrl = Annotated[str, _url("http", "https")]
BoltUrl = Annotated[str, _url("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")]


class Group(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, allow_inf_nan=False
    )


class Storage(Group):
    data_dir: Path = Field(
        default=Path("data"),
        validation_alias="CHATSERVER_DATA_DIR",
        description="documents, indexes, graph and answers; several processes may share it",
    )


class Generation(Group):
    answer_timeout_s: float = Field(
        default=120.0,
        validation_alias="CHATSERVER_ANSWER_TIMEOUT_S",
        gt=0,
        description="an answer that takes longer is sealed as failed, its text kept",
    )
    lease_s: float = Field(
        default=5.0,
        validation_alias="CHATSERVER_LEASE_S",
        gt=0,
        description="an owner silent for this long loses its answer to another process",
    )
    drain_s: float = Field(
        default=25.0,
        validation_alias="CHATSERVER_DRAIN_S",
        ge=0,
        description="how long a stopping server lets running answers finish",
    )
    history_turns: int = Field(
        default=6,
        validation_alias="CHATSERVER_HISTORY_TURNS",
        ge=0,
        le=100,
        description="earlier turns of the chat that a question is read with",
    )


class Delivery(Group):
    heartbeat_s: float = Field(
        default=20.0,
        validation_alias="CHATSERVER_HEARTBEAT_S",
        gt=0,
        description="how often a client should send ping",
    )
    max_message_bytes: int = Field(
        default=256 * 1024,
        validation_alias="CHATSERVER_MAX_MESSAGE_BYTES",
        ge=1024,
        description="a longer command gets an error",
    )
    max_question_chars: int = Field(
        default=16_000,
        validation_alias="CHATSERVER_MAX_QUESTION_CHARS",
        ge=1,
        description="a longer question gets an error",
    )
    stall_s: float = Field(
        default=10.0,
        validation_alias="CHATSERVER_STALL_S",
        gt=0,
        description="how long one send may wait for a client before it counts as too slow",
    )


class Retrieval(Group):
    deadline_s: float = Field(
        default=5.0,
        validation_alias="CHATSERVER_RETRIEVAL_DEADLINE_S",
        gt=0,
        description="a retrieval leg that takes longer is left out of the answer",
    )
    top_k: int = Field(
        default=8,
        validation_alias="CHATSERVER_TOP_K",
        ge=1,
        le=100,
        description="passages that an answer is written from",
    )


class Model(Group):
    """Without a name: the extractive model, or `DEFAULT_MODEL` when a key or a base URL is set."""

    name: str | None = Field(
        default=None,
        validation_alias="CHATSERVER_MODEL",
        min_length=1,
        description="`extractive`, `scripted` (for tests) or the name of a model of the OpenAI-compatible server",
    )
    api_key: SecretStr | None = Field(
        default=None, validation_alias="OPENAI_API_KEY", min_length=1, description="key of the OpenAI-compatible server"
    )
    base_url: HttpUrl | None = Field(
        default=None,
        validation_alias="OPENAI_BASE_URL",
        description="another OpenAI-compatible server; enough without a key",
    )

    @property
    def has_server(self) -> bool:
        return self.api_key is not None or self.base_url is not None

    @property
    def effective_name(self) -> str:
        return self.name or (DEFAULT_MODEL if self.has_server else "extractive")

    @property
    def kind(self) -> ModelKind:
        match self.effective_name:
            case "extractive":
                return "extractive"
            case "scripted":
                return "scripted"
            case _:
                return "openai"

    @model_validator(mode="after")
    def _server_for_a_named_model(self) -> "Model":
        if self.kind == "openai" and not self.has_server:
            raise ValueError(
                f"CHATSERVER_MODEL = {self.name!r}: a named model needs OPENAI_API_KEY or OPENAI_BASE_URL; "
                "allowed without them: extractive, scripted"
            )
        return self


class Pinecone(Group):
    api_key: SecretStr | None = Field(
        default=None, validation_alias="PINECONE_API_KEY", min_length=1, description="key of Pinecone"
    )
    index_name: str | None = Field(
        default=None, validation_alias="PINECONE_INDEX_NAME", min_length=1, description="its index, by name"
    )
    host: str | None = Field(
        default=None, validation_alias="PINECONE_HOST", min_length=1, description="its index, by host"
    )


class Neo4j(Group):
    uri: BoltUrl | None = Field(default=None, validation_alias="NEO4J_URI", description="address of Neo4j")
    username: str | None = Field(default=None, validation_alias="NEO4J_USERNAME", min_length=1, description="its user")
    password: SecretStr | None = Field(
        default=None, validation_alias="NEO4J_PASSWORD", min_length=1, description="its password"
    )


class Redis(Group):
    url: SecretStr | None = Field(
        default=None,
        validation_alias="CHATSERVER_REDIS_URL",
        min_length=1,
        description="address of Redis, where the answers of many nodes are then kept (may hold a password)",
    )
    keep_days: float = Field(
        default=30.0,
        validation_alias="CHATSERVER_REDIS_KEEP_DAYS",
        ge=0,
        description="how long Redis keeps an ended answer; 0 for ever",
    )
    keep_answers: int = Field(
        default=1000,
        validation_alias="CHATSERVER_REDIS_KEEP_ANSWERS",
        ge=1,
        description="how many answers of one chat Redis keeps",
    )

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and urlsplit(url.get_secret_value()).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("should be a URL that starts with redis:// or rediss:// or unix://")
        return url


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    storage: Storage = Storage()
    generation: Generation = Generation()
    delivery: Delivery = Delivery()
    retrieval: Retrieval = Retrieval()
    model: Model = Model()
    pinecone: Pinecone = Pinecone()
    neo4j: Neo4j = Neo4j()
    redis: Redis = Redis()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def unsupported(self) -> list[str]:
        """Names that are set but that this version does not use yet: told by `check`, never ignored in silence."""
        return [
            variable.name
            for variable in variables()
            if variable.group in {"pinecone", "neo4j"}
            and getattr(getattr(self, variable.group), variable.field) is not None
        ]


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting: `settings.<group>.<field>`, set by `name`."""

    name: str
    group: str
    field: str
    description: str
    default: object
    secret: bool
    number: bool


def variables() -> Iterator[Variable]:
    """Every setting there is, in the order of the groups."""
    for group, member in Settings.model_fields.items():
        assert isinstance(member.default, Group)
        for field, info in type(member.default).model_fields.items():
            yield Variable(
                name=str(info.validation_alias),
                group=group,
                field=field,
                description=info.description or "",
                default=info.default,
                secret=SecretStr in get_args(info.annotation),
                number=info.annotation in {int, float},
            )


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
