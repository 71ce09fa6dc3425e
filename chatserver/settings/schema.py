"""All settings there are, and each one as a variable."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chatserver.settings.access import Access
from chatserver.settings.answering import Delivery, Generation, Prompt, Retrieval, Upstreams
from chatserver.settings.group import Group
from chatserver.settings.ingest import Ingest
from chatserver.settings.logs import Logs
from chatserver.settings.models import Embeddings, Model
from chatserver.settings.quotas import Quotas
from chatserver.settings.stores import Neo4j, Pinecone, Redis, Storage
from chatserver.settings.traces import Traces


class Settings(BaseSettings):
    """All groups. `Settings()` reads nothing of the machine."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    storage: Storage = Storage()
    access: Access = Access()
    generation: Generation = Generation()
    delivery: Delivery = Delivery()
    retrieval: Retrieval = Retrieval()
    ingest: Ingest = Ingest()
    upstreams: Upstreams = Upstreams()
    prompt: Prompt = Prompt()
    model: Model = Model()
    embeddings: Embeddings = Embeddings()
    pinecone: Pinecone = Pinecone()
    neo4j: Neo4j = Neo4j()
    redis: Redis = Redis()
    quotas: Quotas = Quotas()
    logs: Logs = Logs()
    traces: Traces = Traces()

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

    @model_validator(mode="after")
    def _server_for_a_named_embedder(self) -> "Settings":
        if not (self.embeddings.is_local or self.model.has_server):
            raise ValueError(
                f"CHATSERVER_EMBEDDER = {self.embeddings.name!r}: a named embedding model needs OPENAI_API_KEY or "
                "OPENAI_BASE_URL; allowed without them: wordllama, minilm"
            )
        return self

    @model_validator(mode="after")
    def _server_for_metadata(self) -> "Settings":
        if self.ingest.metadata == "model" and self.model.kind != "openai":
            raise ValueError(
                "CHATSERVER_INGEST_METADATA = 'model': it is asked of the configured model, which needs OPENAI_API_KEY "
                "or OPENAI_BASE_URL; allowed without them: rules, none"
            )
        return self


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
