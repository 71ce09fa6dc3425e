"""The settings of the models: what writes answers, and what makes vectors."""

from typing import Final, Literal, TypeAlias

from pydantic import Field, SecretStr, model_validator

from chatserver.settings.group import Group, HttpUrl, RedisUrl

DEFAULT_MODEL: Final = "gpt-5.4-mini"

LOCAL_EMBEDDERS: Final = ("wordllama", "minilm")
ModelKind: TypeAlias = Literal["extractive", "scripted", "openai"]


class Embeddings(Group):
    """What makes vectors of texts. All of a data directory are made by one."""

    name: str = Field(
        default="wordllama",
        validation_alias="CHATSERVER_EMBEDDER",
        min_length=1,
        description="`wordllama`, `minilm` (an extra: better, slower) or a model of the OpenAI-compatible server",
    )
    dimension: int = Field(
        default=1536,
        validation_alias="CHATSERVER_EMBEDDING_DIMENSION",
        ge=1,
        le=65_536,
        description="numbers in a vector of the server's embedding model",
    )
    cache_days: float = Field(
        default=30.0,
        validation_alias="CHATSERVER_EMBEDDING_CACHE_DAYS",
        ge=0,
        description="how long its vectors are kept, in Redis when one is set and in the data directory; 0: not",
    )
    cache_redis_url: RedisUrl = Field(
        default=None,
        validation_alias="CHATSERVER_CACHE_REDIS_URL",
        min_length=1,
        description="address of a Redis of its own for them, which may evict; by default that of the answers",
    )

    @property
    def is_local(self) -> bool:
        return self.name in LOCAL_EMBEDDERS


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
    organization: str | None = Field(
        default=None,
        validation_alias="OPENAI_ORG_ID",
        min_length=1,
        description="the organisation that OpenAI charges, where the key belongs to several",
    )
    decide_s: float = Field(
        default=1.5,
        validation_alias="CHATSERVER_DECIDE_S",
        ge=0,
        description="how long that server may take to say what a question asks, before rules do; 0: always rules",
    )
    allow_provider_keys: bool = Field(
        default=False,
        validation_alias="CHATSERVER_ALLOW_PROVIDER_KEYS",
        description="whether a question may bring a key of its own for that server",
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
