"""The settings of what keeps: the data directory, and the stores at scale."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from chatserver.settings.group import BoltUrl, Group, HttpUrl, RedisUrl


def _host(host: str) -> str:
    if "." not in host and "localhost" not in host:
        raise ValueError("should be a host's whole name, as Pinecone's console shows it")
    return host


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
