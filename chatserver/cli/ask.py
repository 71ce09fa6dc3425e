"""`chatserver ask`."""

import json as json_format
from pathlib import Path

from chatserver.cli.reach import reached
from chatserver.cli.telling import ctrl_c_stops, tell
from chatserver.client import Answer


def ask(question: str, *, chat: str | None, namespace: str, url: str | None, data_dir: Path | None, json: bool) -> int:
    """The exit code: 0 for a whole answer, 130 for a stopped one, 1 for a failed one."""
    with reached(url, data_dir) as (loop, client):
        stream = client.ask(question, chat=chat, namespace=namespace)
        if json:
            with ctrl_c_stops(loop, stream):
                answer = loop.run(stream.result())
            print(json_format.dumps(answer.document(), ensure_ascii=False))
        else:
            answer = tell(loop, stream)
    return exit_code(answer)


def exit_code(answer: Answer) -> int:
    return {"completed": 0, "stopped": 130}.get(answer.state, 1)
