"""What a server process tells on standard error, while the model's server fails and repeats what it was asked."""

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from chatserver.answers.log_context import trace_of
from chatserver.client import Client
from tests.edge.test_secrets import Parrot
from tests.page.server import CHATSERVER, READY, environment

SECRET = 'what does the doctor say about my "knee"?'
LINES = 100
"""Of an outage, whatever is asked: there are no more than ten kinds of lines, each told ten times in a minute."""


@pytest.fixture
def upstream() -> Iterator[str]:
    """Fails, and repeats the question in its error."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.status = 503  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def logged(tmp_path: Path, upstream: str, questions: int, **settings: str) -> list[str]:
    """The lines of a server that was asked so many questions, all of which failed."""
    log = tmp_path / "server.log"
    with log.open("w") as told:
        command = [str(CHATSERVER), "serve", "--port=0", f"--data-dir={tmp_path / 'data'}"]
        given = environment(OPENAI_BASE_URL=upstream, CHATSERVER_MODEL="m", CHATSERVER_DECIDE_S="0", **settings)
        with subprocess.Popen(
            command, env=given, cwd=tmp_path, stdout=subprocess.PIPE, stderr=told, text=True
        ) as process:
            assert process.stdout is not None
            try:
                ready = next((line for line in process.stdout if READY.search(line)), "")
                asyncio.run(_ask(f"http://127.0.0.1:{READY.findall(ready)[0]}", questions))
            finally:
                process.terminate()
                process.stdout.read()
    return log.read_text().splitlines()


async def _ask(url: str, questions: int) -> None:
    places = asyncio.Semaphore(50)

    async def one(client: Client, number: int) -> None:
        async with places:
            answer = await client.ask(f"Number {number}: {SECRET}", chat=f"chat {number}").result()
            assert answer.state == "failed"

    async with Client(url) as client, asyncio.TaskGroup() as group:
        for number in range(questions):
            group.create_task(one(client, number))


def _judge(lines: list[str]) -> None:
    """All JSON, each line of an answer with its ids, none with a question's text; few."""
    events = [json.loads(line) for line in lines]
    of_answers = [event for event in events if "answer" in event]
    assert len(of_answers) >= 3
    for event in of_answers:
        assert re.fullmatch(r"[0-9a-f]{32}", event["trace"])
        assert event["trace"] == trace_of(event["answer"])
        assert event["chat"].startswith("chat ")
    assert {"answer sealed", "model failed"} <= {event["event"] for event in of_answers}
    text = "\n".join(lines)
    assert [words for words in ("doctor", "knee") if words in text] == []
    assert len(lines) <= LINES, Counter(event["event"] for event in events)


def test_a_failing_model_is_told_without_the_question(tmp_path: Path, upstream: str) -> None:
    """Every line is JSON, those of an answer name it, its chat and its trace, and what the upstream repeats is taken
    out."""
    _judge(logged(tmp_path, upstream, 20))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_outage_is_told_in_a_few_lines(tmp_path: Path, upstream: str) -> None:
    """A thousand questions that fail are no more lines than a few."""
    _judge(logged(tmp_path, upstream, 1_000))


BEGIN = """
import json, logging, structlog
from chatserver.answers.log_context import begin_answer, name_question
from chatserver.edge.logs import configure_logs
QUESTION = 'Is "K-1"\\nstill ill?'
configure_logs(questions=%s)
begin_answer("a1")
name_question("c1", QUESTION)
"""


def told_by(program: str, *, questions: bool) -> list[dict[str, Any]]:
    """What a process logs that works on an answer."""
    command = [sys.executable, "-c", BEGIN % questions + program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_other_libraries_lines_are_json_and_bounded() -> None:
    """What comes by `logging` is of the same form and names the answer too; a kind is told no more than ten times; a
    text that the operator has asked for is there."""
    program = """
for n in range(30): logging.getLogger("uvicorn.error").warning("odd %d", n)
try: 1 / 0
except ZeroDivisionError: logging.getLogger("x").exception("broke")
"""
    events = told_by(program, questions=True)
    assert [event["event"] for event in events] == [*(f"odd {number}" for number in range(10)), "broke"]
    ids = {"answer": "a1", "chat": "c1", "trace": trace_of("a1"), "question": 'Is "K-1"\nstill ill?'}
    assert [event for event in events if not event.items() >= ids.items()] == []
    assert events[-1]["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_a_traceback_tells_no_values() -> None:
    """Where it broke, and not what the variables there held: these may be keys."""
    program = """
def call(key):
    raise ValueError("refused")
try: call("canary-0123456789")
except ValueError: structlog.get_logger().exception("broke")
"""
    (event,) = told_by(program, questions=False)
    assert [frame["name"] for frame in event["exception"][0]["frames"]] == ["<module>", "call"]
    assert "canary" not in json.dumps(event)


def test_a_question_that_is_repeated_is_taken_out() -> None:
    """Wherever in a line it stands, also in an exception and in JSON, once and twice."""
    program = """
log, once = structlog.get_logger(), json.dumps(QUESTION)
log.warning("plain", error=f"bad: {QUESTION}!", parts=[{"x": QUESTION}])
log.warning("escaped", error=once, again=json.dumps(once))
try: raise ValueError(f"no answer to {QUESTION}")
except ValueError: log.exception("broke")
logging.getLogger("x").warning("said %s", QUESTION)
"""
    events = told_by(program, questions=False)
    assert [event["event"] for event in events] == ["plain", "escaped", "broke", "said [question]"]
    assert (events[0]["error"], events[0]["parts"]) == ("bad: [question]!", [{"x": "[question]"}])
    assert "still ill" not in json.dumps(events)
