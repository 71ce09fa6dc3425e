"""The commands and their options. What a command needs is imported when it runs, so that `--help` is quick."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from chatserver import __version__
from chatserver.cli.errors import explained

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for a program to read.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="The data directory (default: CHATSERVER_DATA_DIR, else ./data).", show_default=False
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="The server to ask (default: the one that runs here, else the data directory itself).",
        show_default=False,
    ),
]
Namespace = Annotated[str, typer.Option(help="The namespace of the documents.", show_default=False)]


def main() -> None:
    """Runs a command. Errors end in one line with a code; `--debug` shows where they came from."""
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        line = explained(error)
        if line is None:
            line = f"an error of chatserver itself: {type(error).__name__}; `chatserver --debug …` shows it (internal)"
        print(f"chatserver: {line}", file=sys.stderr)
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"chatserver {__version__}")
        raise typer.Exit


@app.callback()
def chatserver(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # read by main
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A retrieval-augmented chat server whose answers cannot be lost."""


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: uvicorn.toml).", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port, 0 for a free one (default: uvicorn.toml).", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A uvicorn.toml (default: the working directory's).", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Server processes (default: uvicorn.toml).", show_default=False)
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="When the source changes, go over to the new code; SIGHUP does it too.")
    ] = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="Ingest the bundled sample when there are no documents yet.")
    ] = False,
) -> None:
    """Serve the chat page and its API."""
    from chatserver.cli.serve import serve

    raise typer.Exit(
        serve(host=host, port=port, data_dir=data_dir, config=config, workers=workers, reload=reload, sample=sample)
    )


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and directories: text, HTML, PDF, Word, JSON, CSV.")],
    namespace: Namespace = "",
    url: Annotated[
        str | None,
        typer.Option("--url", help="Upload to this server (default: into the data directory).", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Add documents and records; what is unchanged is skipped. Interrupted, the same command goes on."""
    from chatserver.cli.ingest import ingest

    raise typer.Exit(ingest(paths, namespace=namespace, url=url, data_dir=data_dir, json=json))


@app.command()
def delete(
    ids: Annotated[list[str], typer.Argument(help="Documents, by their ids (a file's is its path when ingested).")],
    collection: Annotated[
        str | None, typer.Option(help="Delete records of this collection instead.", show_default=False)
    ] = None,
    namespace: Namespace = "",
    url: Url = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Take documents or records out again: text, vectors, links and names."""
    from chatserver.cli.delete import delete

    raise typer.Exit(delete(ids, collection=collection, namespace=namespace, url=url, data_dir=data_dir, json=json))


@app.command()
def worker(
    data_dir: DataDir = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Jobs at the same time (default: CHATSERVER_INGEST_WORKERS).", show_default=False
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(help="HOST:PORT where Prometheus reads its numbers, without a login.", show_default=False),
    ] = None,
) -> None:
    """Run ingestion jobs: those of the data directory, or with CHATSERVER_REDIS_URL those of the queue there, on any
    machine."""
    from chatserver.cli.worker import worker

    worker(data_dir=data_dir, jobs=jobs, metrics=metrics)


@app.command()
def reembed(data_dir: DataDir = None, json: Json = False) -> None:
    """Make all vectors anew with another embedder (CHATSERVER_EMBEDDER); the old ones serve until it is done."""
    from chatserver.cli.reembed import reembed

    raise typer.Exit(reembed(data_dir=data_dir, json=json))


@app.command()
def migrate(
    back: Annotated[bool, typer.Option("--back", help="From Pinecone and Neo4j to the data directory.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Copy vectors, graph and records to Pinecone and Neo4j, or back; nothing is deleted. Again, it goes on."""
    from chatserver.cli.migrate import migrate

    raise typer.Exit(migrate(back=back, data_dir=data_dir, json=json))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    chat: Annotated[
        str | None,
        typer.Option(help="Ask in this chat, with its earlier turns (default: a new one).", show_default=False),
    ] = None,
    namespace: Namespace = "",
    url: Url = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Ask one question. Ctrl-C stops the answer and keeps what there is."""
    from chatserver.cli.ask import ask

    raise typer.Exit(ask(question, chat=chat, namespace=namespace, url=url, data_dir=data_dir, json=json))


@app.command()
def chat(
    chat: Annotated[
        str | None, typer.Option(help="The chat to go on with (default: the last one).", show_default=False)
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new chat.")] = False,
    namespace: Namespace = "",
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Talk; goes on where you left, unfinished answers too. Ctrl-C stops an answer, at the prompt it leaves."""
    from chatserver.cli.chat import chat as run

    run(chat=chat, new=new, namespace=namespace, url=url, data_dir=data_dir)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 8,
    namespace: Namespace = "",
    url: Url = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Find passages, best first, with the reason each was found."""
    from chatserver.cli.search import search

    search(text, top_k=top_k, namespace=namespace, url=url, data_dir=data_dir, json=json)


prompts_app = typer.Typer(no_args_is_help=True, help="The prompts that a model reads.")
app.add_typer(prompts_app, name="prompts")


@prompts_app.command()
def render(
    question: Annotated[str, typer.Argument(help="The question.")],
    namespace: Namespace = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Print exactly what a model would be sent for this question. No model is asked."""
    from chatserver.cli.prompts import render

    render(question, namespace=namespace, data_dir=data_dir, json=json)


@app.command()
def graph(
    entity: Annotated[
        str | None, typer.Argument(help="A name, or the id of a document, passage or record.", show_default=False)
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="How the sources of this answer were reached, instead.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Draw it to FILE.svg or FILE.html (default: a tree here).", show_default=False)
    ] = None,
    hops: Annotated[int, typer.Option(min=1, max=3, help="How far around.")] = 1,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many nodes at most.")] = 50,
    namespace: Namespace = "",
    url: Url = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show what is around an entity, or how an answer's sources were reached."""
    from chatserver.cli.graph import graph

    graph(
        entity,
        answer=answer,
        out=out,
        hops=hops,
        limit=limit,
        namespace=namespace,
        url=url,
        data_dir=data_dir,
        json=json,
    )


@app.command()
def token(
    user: Annotated[str, typer.Argument(help="Whose token it is.", show_default=False)] = "",
    namespace: Annotated[
        list[str] | None, typer.Option(help="A namespace that they may use; again for more; '*' for all.")
    ] = None,
    operator: Annotated[bool, typer.Option("--operator", help="They may see what runs on the server.")] = False,
    hours: Annotated[float, typer.Option(min=0.001, max=24 * 366, help="How long it lasts.")] = 12.0,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a key for CHATSERVER_TOKEN_KEYS instead.")] = False,
    json: Json = False,
) -> None:
    """Issue a token for development, signed with the first of CHATSERVER_TOKEN_KEYS."""
    from chatserver.cli.token import token

    token(user, namespaces=namespace or [], operator=operator, hours=hours, new_key=new_key, json=json)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A directory that is not there yet.", show_default=False)],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Save the data directory as it is at one instant, while servers and workers use it."""
    from chatserver.cli.backup import backup

    backup(target, data_dir=data_dir, json=json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="What `chatserver backup` made.", show_default=False)],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a backup into an empty data directory; every file is compared with its manifest first."""
    from chatserver.cli.backup import restore

    restore(source, data_dir=data_dir, json=json)


@app.command()
def erase(
    user: Annotated[str, typer.Argument(help="Whose data it is.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Erase all that is kept of one user: chats, answers, jobs, uploads, and the caches. Servers may run."""
    from chatserver.cli.erase import erase

    erase(user, yes=yes, data_dir=data_dir, json=json)


@app.command()
def check(
    integrity: Annotated[
        bool, typer.Option("--integrity", help="Read every page of the data directory's files, too.")
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Validate the configuration and reach every dependency."""
    from chatserver.cli.check import check

    raise typer.Exit(check(integrity=integrity, data_dir=data_dir, json=json))
