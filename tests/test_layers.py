"""Who may import whom, read from the source with `ast`.

A module that no row of a table places is a failure, and so is a row that places nothing: the tables stay the truth.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("retrieval", "graph", "prompts", "chatserver")

# Lowest first. A layer imports itself and the layers before it, except that only adapters and wiring name adapters.
# `a.b` places that module alone (a package's name: its __init__), `a.b.*` all in a package that has no row of its own.
LAYERS: dict[str, tuple[str, ...]] = {
    "pure": (
        "retrieval",
        "retrieval.chunking",
        "retrieval.embedders.checks",
        "retrieval.errors",
        "retrieval.features",
        "retrieval.fusion",
        "retrieval.pool",
        "retrieval.ranker",
        "retrieval.reasons",
        "retrieval.scale",
        "retrieval.text",
        "retrieval.types",
        "retrieval.walk",
        "graph",
        "graph.drawing",
        "graph.errors",
        "graph.fields",
        "graph.layout",
        "graph.linking",
        "graph.mentions",
        "graph.names",
        "graph.neo4j.properties",
        "graph.neo4j.reading",
        "graph.nearest",
        "graph.planning.*",
        "graph.records",
        "graph.totals",
        "graph.types",
        "graph.weights",
        "graph.view",
        "prompts.*",
        "chatserver",
        "chatserver.access",
        "chatserver.access.identity",
        "chatserver.access.quotas",
        "chatserver.care",
        "chatserver.care.errors",
        "chatserver.care.manifest",
        "chatserver.protocol.*",
        "chatserver.answers.*",
        "chatserver.embeddings",
        "chatserver.embeddings.packing",
        "chatserver.delivery.watch",
        "chatserver.generation.watch",
        "chatserver.guards",
        "chatserver.guards.breaker",
        "chatserver.guards.watch",
        "chatserver.ingest.attendance",
        "chatserver.ingest.dates",
        "chatserver.ingest.describing",
        "chatserver.ingest.field_types",
        "chatserver.ingest.formats",
        "chatserver.ingest.formats.parsed",
        "chatserver.ingest.kinds",
        "chatserver.models",
        "chatserver.models.calibration",
        "chatserver.models.chains",
        "chatserver.models.comparison",
        "chatserver.models.composition",
        "chatserver.models.coverage",
        "chatserver.models.cues",
        "chatserver.models.features",
        "chatserver.models.rules",
        "chatserver.models.selection",
        "chatserver.models.sentences",
        "chatserver.models.weights",
        "chatserver.pipeline",
        "chatserver.pipeline.budget",
        "chatserver.pipeline.citations",
        "chatserver.pipeline.decide",
        "chatserver.pipeline.reached",
        "chatserver.pipeline.wording",
        "chatserver.redis",
        "chatserver.redis.address",
        "chatserver.tracing",
        "chatserver.tracing.port",
    ),
    "ports": (
        "retrieval.filters",
        "retrieval.ports",
        "graph.ports",
        "chatserver.answers.document",
        "chatserver.answers.log",
        "chatserver.embeddings.port",
        "chatserver.ingest.elsewhere",
        "chatserver.ingest.elsewhere.errands",
        "chatserver.ingest.job",
        "chatserver.ingest.ledger",
        "chatserver.ingest.parsing",
        "chatserver.models.limits",
        "chatserver.models.port",
        "chatserver.pipeline.followup",
        "chatserver.pipeline.form",
        "chatserver.pipeline.looking",
        "chatserver.pipeline.port",
        "chatserver.redis.errors",
        "chatserver.server_config",
        "chatserver.settings.*",
    ),
    "adapters": (
        "retrieval.background",
        "retrieval.embedded.*",
        "retrieval.embedders.*",
        "retrieval.langchain",
        "retrieval.pinecone",
        "retrieval.pinecone_refusals",
        "retrieval.pinecone_rows",
        "retrieval.pinecone_sessions",
        "graph.embedded.*",
        "graph.neo4j.*",
        "chatserver.access.*",
        "chatserver.care.backup",
        "chatserver.care.integrity",
        "chatserver.care.snapshot",
        "chatserver.answers.memory",
        "chatserver.answers.redis",
        "chatserver.answers.redis_doorbell",
        "chatserver.answers.redis_format",
        "chatserver.answers.redis_held",
        "chatserver.answers.redis_index",
        "chatserver.answers.redis_removal",
        "chatserver.answers.redis_report",
        "chatserver.answers.redis_restore",
        "chatserver.answers.redis_scripts",
        "chatserver.answers.sqlite",
        "chatserver.answers.sqlite_entries",
        "chatserver.answers.sqlite_removal",
        "chatserver.answers.sqlite_schema",
        "chatserver.embeddings.file_cache",
        "chatserver.ingest.elsewhere.redis_errands",
        "chatserver.ingest.elsewhere.redis_roster",
        "chatserver.ingest.formats.*",
        "chatserver.ingest.ledger_sqlite",
        "chatserver.ingest.saq_queue",
        "chatserver.embeddings.redis_cache",
        "chatserver.metrics.*",
        "chatserver.models.*",
        "chatserver.redis.*",
        "chatserver.tracing.otel",
    ),
    "orchestration": (
        "retrieval.hybrid",
        "retrieval.legs",
        "graph.leg",
        "chatserver.care.erasure",
        "chatserver.delivery.*",
        "chatserver.embeddings.cached",
        "chatserver.generation.*",
        "chatserver.guards.*",
        "chatserver.ingest.*",
        "chatserver.pipeline.*",
        "chatserver.tracing.*",
    ),
    "wiring": ("chatserver.wiring.*",),
    "edges": (
        "chatserver.app",
        "chatserver.cli.*",
        "chatserver.client.*",
        "chatserver.edge.*",
        "chatserver.supervisor.*",
    ),
}

# No module whose name starts with the left side imports one whose name starts with something on the right.
NEVER: dict[str, tuple[str, ...]] = {
    "retrieval": ("graph", "prompts", "chatserver"),
    "graph": ("prompts", "chatserver"),
    "prompts": ("retrieval", "graph", "chatserver"),
    # A generation never knows a socket, a connection never knows a model.
    "chatserver.generation": ("chatserver.delivery", "starlette", "uvicorn", "websockets"),
    "chatserver.delivery": ("chatserver.models", "chatserver.pipeline", "graph"),
    "chatserver.pipeline": ("chatserver.delivery", "chatserver.generation", "starlette"),
    # Whoever installs the client alone gets the client alone.
    "chatserver.client": ("retrieval", "graph", "prompts", "starlette", "uvicorn", "pydantic"),
}

# Every third-party package and the modules that may import it; what is not here may not be imported.
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "aiohttp": ("retrieval.pinecone",),
    "docx": ("chatserver.ingest.formats.docx",),
    "h11": ("chatserver.edge.handshake",),
    "hiredis": ("chatserver.redis.link",),
    "httpx": ("chatserver.access.key_files", "chatserver.cli", "chatserver.client"),
    "jinja2": ("prompts",),
    "jwt": ("chatserver.access",),
    "langchain_core": ("retrieval.langchain",),
    "langchain_pinecone": ("retrieval.pinecone",),
    "lxml": ("chatserver.ingest.formats.docx",),
    "neo4j": ("graph.neo4j.database",),
    "limits": ("chatserver.access.limiting",),
    "numpy": ("retrieval.embedded", "retrieval.embedders"),
    "onnxruntime": ("retrieval.embedders.minilm",),
    "openai": ("chatserver.models.openai_compatible",),
    "opentelemetry": ("chatserver.tracing.otel",),
    "orjson": (
        "chatserver.answers",
        "chatserver.generation",
        "chatserver.ingest",
        "chatserver.protocol",
        "retrieval.embedded",
    ),
    "pinecone": ("retrieval.pinecone",),
    "prometheus_client": ("chatserver.metrics",),
    "pydantic": (
        "chatserver.edge",
        "chatserver.ingest.elsewhere.errands",
        "chatserver.ingest.extracting",
        "chatserver.pipeline.form",
        "chatserver.protocol",
        "chatserver.server_config",
        "chatserver.settings",
        "retrieval.langchain",
    ),
    "pydantic_core": ("chatserver.edge.description.schemas", "chatserver.ingest.elsewhere.errands"),
    "pydantic_settings": ("chatserver.settings",),
    "rich": ("chatserver.cli",),
    "safetensors": ("retrieval.embedders",),
    "saq": ("chatserver.ingest.saq_queue",),
    "semchunk": ("retrieval.chunking",),
    "Stemmer": ("retrieval.text",),
    "stamina": ("chatserver.guards.guard", "chatserver.wiring.upstreams"),
    "pypdf": ("chatserver.ingest.formats.pdf",),
    "starlette": ("chatserver.app", "chatserver.edge"),
    "structlog": ("chatserver",),
    "typing_extensions": ("chatserver.edge", "chatserver.protocol"),
    "tokenizers": ("retrieval.embedders",),
    "trafilatura": ("chatserver.ingest.formats.html",),
    "typer": ("chatserver.cli",),
    "uvicorn": ("chatserver.cli", "chatserver.edge.handshake", "chatserver.server_config", "chatserver.supervisor"),
    "watchfiles": ("chatserver.supervisor",),
    "websockets": ("chatserver.client",),
}

# Packages that one file alone imports, so that replacing the upstream means replacing that file.
ONE_FILE = (
    "aiohttp",
    "docx",
    "hiredis",
    "jinja2",
    "langchain_core",
    "langchain_pinecone",
    "neo4j",
    "onnxruntime",
    "openai",
    "opentelemetry",
    "pinecone",
    "pypdf",
    "safetensors",
    "saq",
    "semchunk",
    "Stemmer",
    "tokenizers",
    "trafilatura",
)

# Pure code computes. It neither waits nor talks to the machine.
IMPURE = {"asyncio", "concurrent", "http", "multiprocessing", "socket", "sqlite3", "ssl", "subprocess"}

# Slow to import: only ever inside a function, or at the top of an adapter that wiring itself imports late.
SLOW = {
    "aiohttp",
    "docx",
    "langchain_core",
    "langchain_pinecone",
    "neo4j",
    "onnxruntime",
    "openai",
    "pinecone",
    "pypdf",
    "trafilatura",
}


@dataclass(frozen=True)
class Import:
    """Module `importer` imports `target` (a module's dotted name); `lazy` when inside a function."""

    importer: str
    target: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.importer} -> {self.target}"


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(node: ast.AST, importer: str, is_package: bool) -> Iterator[str]:
    """What an import statement names: `from a import b` is `a.b` when that is a module of ours, else `a`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = importer.split(".")[: None if is_package else -1]
        anchor = parents[: len(parents) - node.level + 1] if node.level else []
        base = ".".join([*anchor, *([node.module] if node.module else [])])
        for alias in node.names:
            name = f"{base}.{alias.name}"
            yield name if name in modules() else base


def read_imports(importer: str, path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            for target in named(child, importer, path.name == "__init__.py"):
                yield Import(importer, target, lazy)
            yield from walk(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    yield from walk(ast.parse(path.read_text("utf-8")), False)


@cache
def imports() -> tuple[Import, ...]:
    return tuple(entry for name, path in modules().items() for entry in read_imports(name, path))


def ours() -> Iterable[Import]:
    return (entry for entry in imports() if entry.target in modules())


def third_party() -> Iterator[tuple[Import, str]]:
    for entry in imports():
        package = entry.target.split(".")[0]
        if package not in PACKAGES and package not in sys.stdlib_module_names:
            yield entry, package


def row_of(module: str) -> tuple[str, str] | None:
    """The layer and the name in it that place a module."""
    best: tuple[int, str, str] | None = None
    for layer, names in LAYERS.items():
        for name in names:
            package = name.removesuffix(".*")
            fits = within(module, package) if name.endswith(".*") else module == package
            # A name of its own beats its package's.
            rank = 2 * package.count(".") + (not name.endswith(".*"))
            if fits and (best is None or rank > best[0]):
                best = (rank, layer, name)
    return best and (best[1], best[2])


def layer_of(module: str) -> str:
    row = row_of(module)
    assert row, f"{module} has no layer: add it to LAYERS"
    return row[0]


def test_every_module_has_a_layer_and_every_row_a_module() -> None:
    """The table places all there is and nothing that is gone."""
    placed = {module: row_of(module) for module in modules()}
    rows = {(layer, name) for layer, names in LAYERS.items() for name in names}
    assert [module for module, row in placed.items() if row is None] == []
    assert rows - set(placed.values()) == set()


def test_imports_point_downwards() -> None:
    """No module imports one of a layer above its own; adapters are named by adapters and wiring only."""
    order = list(LAYERS)

    def allowed(entry: Import) -> bool:
        importer, target = layer_of(entry.importer), layer_of(entry.target)
        if target == "adapters":
            return importer in {"adapters", "wiring"}
        return order.index(target) <= order.index(importer)

    assert [str(entry) for entry in ours() if not allowed(entry)] == []


@pytest.mark.parametrize("package", NEVER)
def test_what_a_package_never_imports(package: str) -> None:
    """The directions between packages that a layer alone would allow."""
    mine = [entry for entry in imports() if within(entry.importer, package)]
    assert [str(e) for e in mine if any(within(e.target, other) for other in NEVER[package])] == []


def test_the_client_imports_nothing_of_the_server() -> None:
    """`chatserver.client` reads no other module of ours."""
    mine = [entry for entry in ours() if within(entry.importer, "chatserver.client")]
    assert [str(entry) for entry in mine if not within(entry.target, "chatserver.client")] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    """The graph of imports, lazy ones included, has no cycle."""
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for entry in ours():
        # A module may name the package that holds it, whose __init__ may import the module.
        if not within(entry.importer, entry.target):
            graph[entry.importer].add(entry.target)
    TopologicalSorter(graph).prepare()


def test_third_party_packages_stay_where_they_belong() -> None:
    """A package is imported only by the modules that THIRD_PARTY names for it."""
    wrong = [
        str(entry)
        for entry, package in third_party()
        if not any(within(entry.importer, prefix) for prefix in THIRD_PARTY.get(package, ()))
    ]
    assert wrong == []


def test_third_party_rows_are_used() -> None:
    """A row of THIRD_PARTY that no import needs is out of date."""
    used = {
        (package, prefix)
        for entry, package in third_party()
        for prefix in THIRD_PARTY.get(package, ())
        if within(entry.importer, prefix)
    }
    assert {(package, prefix) for package, prefixes in THIRD_PARTY.items() for prefix in prefixes} - used == set()


@pytest.mark.parametrize("package", ONE_FILE)
def test_an_upstream_is_imported_by_one_file(package: str) -> None:
    """Replacing an upstream means replacing one file."""
    assert len({entry.importer for entry, name in third_party() if name == package}) <= 1


def test_pure_modules_do_no_io() -> None:
    """Nothing in the lowest layer can wait, open a socket or start a process."""
    pure = [entry for entry in imports() if layer_of(entry.importer) == "pure"]
    assert [str(entry) for entry in pure if entry.target.split(".")[0] in IMPURE] == []


def test_slow_packages_are_imported_late() -> None:
    """What takes half a second to import is imported by an adapter, and that adapter inside a function."""
    slow = {entry.importer for entry, package in third_party() if package in SLOW and not entry.lazy}
    assert [module for module in slow if layer_of(module) != "adapters"] == []
    assert [str(entry) for entry in ours() if entry.target in slow and not entry.lazy] == []
