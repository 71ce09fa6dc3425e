"""All settings, as frozen values in groups.

Each setting has one name, the same in the environment and in the file that `CHATSERVER_CONFIG` points to (TOML, one
`NAME = value` a line); the environment wins. `load_settings` reads both and reports every fault at once.
`Settings()` itself reads nothing of the machine, so that a test builds exactly what it says:
`Settings(generation=Generation(lease_s=1))`.

How the HTTP server listens is not here but in `uvicorn.toml`, see `chatserver.server_config`.
"""

from chatserver.settings.access import Access
from chatserver.settings.answering import Delivery, Generation, Prompt, Retrieval, Upstreams
from chatserver.settings.ingest import Ingest
from chatserver.settings.loading import FILE_VARIABLE, SettingsError, load_settings, to_environment
from chatserver.settings.models import DEFAULT_MODEL, Embeddings, Model
from chatserver.settings.quotas import Quotas
from chatserver.settings.schema import Settings, Variable, variables
from chatserver.settings.stores import Neo4j, Pinecone, Redis, Storage
from chatserver.settings.traces import Traces

__all__ = [
    "DEFAULT_MODEL",
    "FILE_VARIABLE",
    "Access",
    "Delivery",
    "Embeddings",
    "Generation",
    "Ingest",
    "Model",
    "Neo4j",
    "Pinecone",
    "Prompt",
    "Quotas",
    "Redis",
    "Retrieval",
    "Settings",
    "SettingsError",
    "Storage",
    "Traces",
    "Upstreams",
    "Variable",
    "load_settings",
    "to_environment",
    "variables",
]
