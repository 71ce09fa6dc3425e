"""The client against chatserver itself: the real application in this process, real sockets, the scripted model."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from chatserver.cli.reach import own_server
from chatserver.client import Answer, Backoff, Client, Entry, Rejected
from chatserver.models.scripted import parse_script
from chatserver.settings import Model, Settings, Storage
from tests.ports import free_port

QUESTION = "/script tokens=20"
SOON = Backoff(base_s=0.001, cap_s=0.2)


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    settings = Settings(storage=Storage(data_dir=tmp_path), model=Model(name="scripted"))
    async with own_server(settings) as url:
        yield url


def cut(client: Client) -> None:
    """Takes the network away, as a lost link does: no close frame."""
    assert client._connection is not None
    client._connection._socket.transport.abort()


def contiguous(entries: list[Entry]) -> bool:
    return [entry.seq for entry in entries] == list(range(len(entries))) and len({e.epoch for e in entries}) == 1


async def test_cut_at_every_entry(url: str) -> None:
    """Cutting the socket at every entry of an answer gives the same transcript: contiguous, once."""
    async with Client(url, backoff=SOON) as client:
        whole = client.ask(QUESTION)
        length = len([entry async for entry in whole])
        assert whole.answer.text == parse_script(QUESTION).text()
        for place in range(length):
            answer = client.ask(QUESTION)
            entries = []
            async for entry in answer:
                entries.append(entry)
                if entry.seq == place:
                    cut(client)
            assert contiguous(entries), place
            assert answer.answer.text == whole.answer.text, place
            assert answer.answer.state == "completed", place


async def test_the_document_is_what_was_streamed(url: str) -> None:
    """`client.answer` and `client.answers` give the same answer that the stream showed."""
    async with Client(url) as client:
        answer = await client.ask(QUESTION, chat="c").result()
        assert await client.answer(answer.id) == answer
        assert await client.answers("c") == [answer]
        with pytest.raises(Rejected) as caught:
            await client.answer("none")
        assert caught.value.code == "unknown_answer"


async def test_read_answers_are_not_told_again(url: str) -> None:
    """What was read to its end is acknowledged; what was left is resumed from its start by the next client."""
    async with Client(url) as first:
        await first.ask(QUESTION, chat="c").result()
        left = first.ask("/script tokens=10 delay_ms=10", chat="c")
        await anext(left)
    async with Client(url) as second:
        (resumed,) = await second.resume("c")
        entries = [entry async for entry in resumed]
        assert resumed.id == left.id
        assert contiguous(entries)
        assert resumed.answer.text == parse_script("/script tokens=10").text()
    async with Client(url) as third, asyncio.timeout(60):
        while await third.resume("c"):  # noqa: ASYNC110 - an ack has no reply, a resume may overtake it
            await asyncio.sleep(0.01)


async def test_stop_keeps_the_partial(url: str) -> None:
    """A stop ends the generation, and what was told stays."""
    async with Client(url) as client:
        answer = client.ask("/script tokens=100000 delay_ms=2")
        async for entry in answer:
            if entry.chunk["type"] == "text-delta":
                await answer.stop()
        assert answer.answer.state == "stopped"
        assert answer.answer.text
        assert (await client.answer(answer.id)).text == answer.answer.text


async def test_refusals(url: str) -> None:
    """Bad questions are refused with the server's code, and the connection goes on."""
    async with Client(url) as client:
        for text, code in (("   ", "empty_question"), ("x" * 100_000, "question_too_long")):
            with pytest.raises(Rejected) as caught:
                await client.ask(text).result()
            assert caught.value.code == code
        assert (await client.ask(QUESTION).result()).state == "completed"


async def test_search(url: str) -> None:
    """Search over HTTP gives passages; an empty corpus has none."""
    async with Client(url) as client:
        assert await client.search("pump") == []


async def test_many_answers_at_once(url: str) -> None:
    """Thirty answers over one connection, cut in between, are all whole."""
    async with Client(url, backoff=SOON) as client:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(client.ask("/script tokens=20 delay_ms=2").result()) for _ in range(30)]
            for _ in range(3):
                await asyncio.sleep(0.02)
                if client._connection is not None:
                    cut(client)
        answers: list[Answer] = [task.result() for task in asked]
    assert {answer.text for answer in answers} == {parse_script(QUESTION).text()}


@contextmanager
def serving(port: int, data_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """A server process of its own; killed at the end."""
    command = [str(Path(sys.executable).with_name("chatserver")), "serve", "--port", str(port)]
    environ = {
        **os.environ,
        "CHATSERVER_MODEL": "scripted",
        "CHATSERVER_LEASE_S": "0.5",
        "CHATSERVER_RETRIEVAL_DEADLINE_S": "60",
    }
    process = subprocess.Popen(
        [*command, "--data-dir", str(data_dir)], stdout=subprocess.PIPE, text=True, env=environ, cwd=data_dir
    )
    assert process.stdout is not None
    try:
        assert "is ready" in process.stdout.readline()
        yield process
    finally:
        kill_all(process)
        process.stdout.close()


def kill_all(process: "subprocess.Popen[str]") -> None:
    """SIGKILL for the supervisor and its servers: nobody has time to hand over anything."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
        for member in reversed(family):
            member.kill()
        psutil.wait_procs(family)
    process.wait()


async def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle of an answer and a restart on the same data: the reader gets the whole answer, each text
    once, and what was withdrawn by the takeover is marked."""
    port = free_port()
    question = "/script tokens=100 delay_ms=10"
    with serving(port, tmp_path) as process:
        client = Client(f"http://127.0.0.1:{port}", backoff=Backoff(base_s=0.05, cap_s=0.2))
        async with client:
            answer = client.ask(question)
            entries = []
            async for entry in answer:
                entries.append(entry)
                if entry.chunk["type"] == "text-delta":
                    break
            kill_all(process)
            with serving(port, tmp_path):
                entries += [entry async for entry in answer]
    assert contiguous(entries)
    assert answer.answer.state == "completed"
    assert answer.answer.text == parse_script(question).text()
