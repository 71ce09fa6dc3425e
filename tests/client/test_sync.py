"""The client without `await`, against a real server process, and what a notebook shows of an answer."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from chatserver.client import Answer, Backoff, Citation, Closed, Source, SyncClient, Unreachable
from chatserver.models.scripted import parse_script
from tests.page.server import Server

QUESTION = "/script tokens=60 delay_ms=5"
SOON = Backoff(base_s=0.01, cap_s=0.3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("sync") / "data", "scripted")
    yield running
    running.end()


def test_every_entry_once_through_a_killed_server(server: Server) -> None:
    """A plain loop reads the answer to its end, whatever becomes of the process that tells it."""
    with SyncClient(server.url, backoff=SOON) as client:
        stream = client.ask(QUESTION)
        seqs = []
        for entry in stream:
            seqs.append(entry.seq)
            if entry.seq == 20:
                server.end(signal.SIGKILL)
                server.start()
        assert seqs == list(range(len(seqs)))
        assert stream.answer.text == parse_script(QUESTION).text()
        assert client.answer(stream.id).text == stream.answer.text
        assert [answer.id for answer in client.answers(stream.answer.chat)] == [stream.id]


def test_a_stop_and_a_resume(server: Server) -> None:
    """Another client resumes the chat, stops the answer and keeps its text."""
    with SyncClient(server.url) as first, SyncClient(server.url) as second:
        stream = first.ask("/script tokens=100000 delay_ms=5", chat="stopped")
        while "t3x" not in stream.answer.text:
            next(stream)
        (resumed,) = second.resume("stopped")
        resumed.stop()
        assert resumed.result().state == "stopped"
        assert resumed.answer.text.startswith(stream.answer.text)
        assert resumed._repr_markdown_().endswith("*stopped*")
        assert resumed.cursor.answer == resumed.id == stream.id


def test_it_searches_and_looks_around(server: Server) -> None:
    """The HTTP doors, as the asynchronous client has them."""
    with SyncClient(server.url) as client:
        assert client.search("pump") == []
        stream = client.ask("/script tokens=3")
        stream.result()
        assert client.graph(answer=stream.id)["nodes"]


async def test_it_works_where_a_loop_runs(server: Server) -> None:
    """As in a notebook's cell."""
    assert asyncio.get_running_loop().is_running()
    client = SyncClient(server.url).open()
    assert client.ask("/script tokens=3").result().state == "completed"
    client.close()


def test_without_a_server_it_says_so() -> None:
    """And leaves no thread behind; a stream of a closed client says that it is closed."""
    with pytest.raises(Unreachable):
        SyncClient("http://127.0.0.1:9", timeout_s=2).open()


def test_a_stream_of_a_closed_client(server: Server) -> None:
    """Its answer goes on at the server; here it raises."""
    with SyncClient(server.url) as client:
        stream = client.ask("/script tokens=100000 delay_ms=5")
        next(stream)
        client._loop.run(client._client.aclose())
        with pytest.raises(Closed):
            stream.result()


def test_a_notebook_shows_the_text_with_its_sources() -> None:
    """Those that are cited, by their number; what would be HTML is text."""
    answer = Answer(
        "a",
        "c",
        "q",
        "completed",
        "Check **V-210** <script> [1].",
        (Source(1, "p1", "Valves <b>"), Source(2, "p2", "Pumps")),
        (Citation("p1", 0, 5, "V-210"),),
    )
    assert answer._repr_markdown_() == "Check **V-210** &lt;script> [1].\n\n> **[1]** Valves &lt;b>"
    failed = Answer("a", "c", "q", "failed", "Chec", error=("model_timeout", "Too slow."))
    assert failed._repr_markdown_() == "Chec\n\n*failed: Too slow.*"
