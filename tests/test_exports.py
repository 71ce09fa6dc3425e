"""Every module imports on its own, quickly and without what it has no business with; every public name is there."""

import ast
import importlib
import importlib.metadata
import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

# Hundreds of processes, one after the other: a minute of a processor, and on a busy machine several.
WAIT_S = 900
pytestmark = pytest.mark.timeout(WAIT_S)

ROOT = Path(__file__).parents[1]
PACKAGES = ("retrieval", "graph", "prompts", "chatserver")

# Costly imports, and the modules that may cause them by being imported: adapters, and what stands above wiring. That
# `chatserver.cli` is not among them keeps `chatserver --help` quick.
ABOVE_WIRING = (
    "chatserver.app",
    "chatserver.cli.backup",
    "chatserver.cli.check",
    "chatserver.cli.check_knowledge",
    "chatserver.cli.check_workers",
    "chatserver.cli.erase",
    "chatserver.cli.ingest",
    "chatserver.cli.ingest_here",
    "chatserver.supervisor.worker",
    "chatserver.cli.migrate",
    "chatserver.cli.prompts",
    "chatserver.cli.reembed",
    "chatserver.cli.worker",
    "chatserver.supervisor.server",
    "chatserver.wiring",
)
COSTLY: dict[str, tuple[str, ...]] = {
    "aiohttp": (
        "chatserver.models.openai_compatible",
        "retrieval.pinecone",
    ),  # the openai SDK takes it when it is there
    "docx": ("chatserver.ingest.formats.docx",),
    "langchain_core": ("retrieval.langchain", "retrieval.pinecone"),
    "langchain_pinecone": ("retrieval.pinecone",),
    "neo4j": ("graph.neo4j.database",),
    "numpy": (
        "graph.embedded.library",
        "graph.neo4j.database",
        "retrieval.embedded",
        "retrieval.embedders",
        "retrieval.langchain",
        "retrieval.pinecone",
        *ABOVE_WIRING,
    ),
    "onnxruntime": (),
    "openai": ("chatserver.models.openai_compatible", "retrieval.pinecone"),
    "pinecone": ("retrieval.pinecone",),
    "pypdf": ("chatserver.ingest.formats.pdf",),
    "safetensors": (),
    "tokenizers": (),
    "torch": (),
    "trafilatura": ("chatserver.ingest.formats.html",),
    "wordllama": (),
}

# One interpreter forks a child for each module: a fresh import of ours each, for the price of one start. What any
# part may load is loaded before the forks. A module that its own package imports needs no child: to import it is to
# import the package first.
FORKING = """
import gc, importlib, json, os, sys
import asyncio, httpx, jinja2, pydantic_settings, rich.live, rich.markdown, starlette.applications, structlog, typer
import Stemmer, prometheus_client.multiprocess, uvicorn, websockets.asyncio.client
gc.disable()
seen = {}
for name in json.load(sys.stdin):
    package = name.rpartition(".")[0]
    if name in seen.get(package, {}).get("loaded", ()):
        print(json.dumps([name, seen[package]]), flush=True)
        continue
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            importlib.import_module(name)
            found = {"loaded": sorted(sys.modules)}
        except BaseException as error:
            found = {"error": repr(error)}
        with os.fdopen(write, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        seen[name] = json.load(pipe)
    print(json.dumps([name, seen[name]]), flush=True)
    os.wait()
"""


@cache
def modules() -> list[str]:
    names = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if not name.endswith("__main__")]


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


@cache
def fresh_imports() -> dict[str, dict[str, list[str]]]:
    """For each module, what `sys.modules` holds after importing it in a fresh interpreter, or the error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING],
        input=json.dumps(modules()),
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
        cwd=ROOT,
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_every_module_imports_on_its_own() -> None:
    """Each module can be the first that a fresh interpreter imports, with warnings as errors."""
    seen = fresh_imports()
    assert sorted(seen) == sorted(modules())
    assert {name: result["error"] for name, result in seen.items() if "error" in result} == {}


@pytest.mark.parametrize("package", COSTLY)
def test_costly_packages_load_late(package: str) -> None:
    """Importing a module loads a costly package only where COSTLY says so."""
    loading = [name for name, result in fresh_imports().items() if package in result.get("loaded", ())]
    assert [name for name in loading if not any(within(name, prefix) for prefix in COSTLY[package])] == []


def test_the_client_loads_nothing_of_the_server() -> None:
    """A program that uses the client alone loads the client alone."""
    for name, result in fresh_imports().items():
        if within(name, "chatserver.client"):
            mine = [module for module in result.get("loaded", ()) if module.split(".")[0] in PACKAGES]
            assert [m for m in mine if m != "chatserver" and not within(m, "chatserver.client")] == []


def test_public_names_exist_and_are_documented() -> None:
    """What `__all__` names is there, once, and has a docstring unless it is an exception (its module's tree tells)."""
    for name in modules():
        module = importlib.import_module(name)
        exported = getattr(module, "__all__", ())
        assert len(set(exported)) == len(exported), name
        for item in exported:
            value = getattr(module, item)
            is_error = isinstance(value, type) and issubclass(value, Exception)
            assert not callable(value) or is_error or value.__doc__, f"{name}.{item}"


def test_every_module_says_what_it_is() -> None:
    """A module that holds code begins with a docstring."""
    bare = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            if tree.body and not ast.get_docstring(tree):
                bare.append(str(path.relative_to(ROOT)))
    assert bare == []


def test_one_version() -> None:
    """The package, its metadata, pyproject and the newest heading of the changelog agree."""
    import chatserver

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert chatserver.__version__ == declared == importlib.metadata.version("chatserver")
    assert f"## [{declared}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
