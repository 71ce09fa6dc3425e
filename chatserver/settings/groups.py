"""The groups of settings: one class a part, one field a setting, with the name it is set by and its meaning."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

DEFAULT_MODEL: Final = "gpt-5.4-mini"

LOCAL_EMBEDDERS: Final = ("wordllama", "minilm")
ModelKind: TypeAlias = Literal["extractive", "scripted", "openai"]


def _url(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(f"should be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return url

    return AfterValidator(check)


def _host(host: str) -> str:
    if "." not in host and "localhost" not in host:
        raise ValueError("should be a host's whole name, as Pinecone's console shows it")
    return host


def _redis_url(url: SecretStr | None) -> SecretStr | None:
    if url is not None and urlsplit(url.get_secret_value()).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("should be a URL that starts with redis:// or rediss:// or unix://")
    return url


RedisUrl = Annotated[SecretStr | None, AfterValidator(_redis_url)]
HttpUrl = Annotated[str, _url("http", "https")]
BoltUrl = Annotated[str, _url("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")]


class Group(BaseModel):
    """Frozen; an unknown name or a number that is not finite is a fault."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, allow_inf_nan=False
    )


class Storage(Group):
    """Where an embedded installation keeps everything."""

    data_dir: Path = Field(
        default=Path("data"),
        validation_alias="CHATSERVER_DATA_DIR",
        description="documents, indexes, graph and answers; several processes may share it",
    )
    keep_days: float = Field(
        default=0.0,
        validation_alias="CHATSERVER_KEEP_DAYS",
        ge=0,
        description="how long an ended answer stays in the data directory; 0 for ever",
    )


class Generation(Group):
    """How long answers may take, and who may take them over."""

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
    max_answers: int = Field(
        default=256,
        validation_alias="CHATSERVER_MAX_ANSWERS",
        ge=1,
        description="answers that one process tells at the same time; further ones wait, or another process takes them",
    )
    history_turns: int = Field(
        default=6,
        validation_alias="CHATSERVER_HISTORY_TURNS",
        ge=0,
        le=100,
        description="earlier turns of the chat that a question is read with",
    )


class Delivery(Group):
    """What a client may send, and how long it may be slow."""

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
    """How much is read for an answer, and how long that may take."""

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


class Upstreams(Group):
    """How often an upstream (embeddings, vectors, graph, model) is tried, and when it is left alone."""

    attempts: int = Field(
        default=3,
        validation_alias="CHATSERVER_ATTEMPTS",
        ge=1,
        le=10,
        description="calls in all to an upstream that fails for a passing reason, with growing waits between them",
    )
    breaker_failures: int = Field(
        default=5,
        validation_alias="CHATSERVER_BREAKER_FAILURES",
        ge=1,
        description="failures in a row after which an upstream is left alone",
    )
    breaker_open_s: float = Field(
        default=60.0,
        validation_alias="CHATSERVER_BREAKER_OPEN_S",
        gt=0,
        description="for how long; then one call probes it",
    )


class Prompt(Group):
    """What a language model is given to read; an extractive answer has no prompt."""

    context_tokens: int = Field(
        default=12_000,
        validation_alias="CHATSERVER_CONTEXT_TOKENS",
        ge=500,
        description="tokens of sources in a prompt; the lowest-ranked are left out first",
    )
    history_tokens: int = Field(
        default=4_000,
        validation_alias="CHATSERVER_HISTORY_TOKENS",
        ge=0,
        description="tokens of earlier turns in a prompt; the oldest are left out first",
    )


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


class Pinecone(Group):
    """The vector store at scale: used when there is a key."""

    api_key: SecretStr | None = Field(
        default=None,
        validation_alias="PINECONE_API_KEY",
        min_length=1,
        description="key of Pinecone, where the vectors are then kept",
    )
    index_name: str | None = Field(
        default=None, validation_alias="PINECONE_INDEX_NAME", min_length=1, description="its index, by name"
    )
    host: Annotated[str, AfterValidator(_host)] | None = Field(
        default=None, validation_alias="PINECONE_HOST", description="its index, by host: saves looking the name up"
    )
    controller: HttpUrl | None = Field(
        default=None,
        validation_alias="PINECONE_CONTROLLER_HOST",
        description="another control plane than Pinecone's own, for names",
    )
    mode: Literal["shared", "isolated"] = Field(
        default="shared",
        validation_alias="PINECONE_MODE",
        description="`shared`: one open client; `isolated`: a new one for each call",
    )
    concurrency: int = Field(
        default=5, validation_alias="PINECONE_CONCURRENCY", ge=1, description="searches at once; the others wait"
    )
    timeout_s: float = Field(
        default=10.0, validation_alias="PINECONE_TIMEOUT_S", gt=0, description="a call that takes longer has failed"
    )
    create: bool = Field(
        default=False, validation_alias="PINECONE_CREATE", description="make the index when there is none of that name"
    )
    cloud: str = Field(
        default="aws", validation_alias="PINECONE_CLOUD", min_length=1, description="where it is made: the cloud"
    )
    region: str = Field(
        default="us-east-1", validation_alias="PINECONE_REGION", min_length=1, description="and its region"
    )

    @model_validator(mode="after")
    def _complete(self) -> "Pinecone":
        named = self.index_name or self.host
        if self.api_key is None and named:
            raise ValueError("PINECONE_INDEX_NAME and PINECONE_HOST need PINECONE_API_KEY")
        if self.api_key is not None and not named:
            raise ValueError("PINECONE_API_KEY needs PINECONE_INDEX_NAME or PINECONE_HOST")
        if self.create and not self.index_name:
            raise ValueError("PINECONE_CREATE needs PINECONE_INDEX_NAME")
        return self


class Neo4j(Group):
    """The graph store at scale."""

    uri: BoltUrl | None = Field(
        default=None,
        validation_alias="NEO4J_URI",
        description="address of Neo4j, which then keeps graph and records: `neo4j://host:7687`",
    )
    username: str = Field(default="neo4j", validation_alias="NEO4J_USERNAME", min_length=1, description="its user")
    password: SecretStr | None = Field(
        default=None, validation_alias="NEO4J_PASSWORD", min_length=1, description="its password"
    )
    database: str = Field(
        default="neo4j", validation_alias="NEO4J_DATABASE", min_length=1, description="its database, by name"
    )

    @field_validator("uri")
    @classmethod
    def _holds_no_password(cls, uri: str | None) -> str | None:
        if uri is not None and "@" in urlsplit(uri).netloc:
            raise ValueError("should not hold a password; set NEO4J_USERNAME and NEO4J_PASSWORD")
        return uri


class Redis(Group):
    """The answer log of many nodes."""

    url: RedisUrl = Field(
        default=None,
        validation_alias="CHATSERVER_REDIS_URL",
        min_length=1,
        description="address of a Redis or its cluster, where the answers of many nodes are kept (may hold a password)",
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
