"""`chatserver search`."""

import json as json_format
from pathlib import Path
from textwrap import shorten
from typing import Any

from chatserver.cli import terminal
from chatserver.cli.reach import reached

_EXCERPT = 240


def search(text: str, *, top_k: int, namespace: str, url: str | None, data_dir: Path | None, json: bool) -> None:
    with reached(url, data_dir) as (loop, client):
        passages = loop.run(client.search(text, top_k=top_k, namespace=namespace))
    if json:
        print(json_format.dumps({"query": text, "passages": passages}, ensure_ascii=False))
        return
    if not passages:
        terminal.say("nothing found")
    for n, passage in enumerate(passages, 1):
        _show(n, passage)


def _show(n: int, passage: dict[str, Any]) -> None:
    terminal.say(f"{n}. {passage['title']}  ({passage['score']:.3f})", style="bold")
    terminal.say(shorten(passage["text"], _EXCERPT, placeholder=" …"))
    terminal.say(f"{passage['id']} · {' · '.join(passage['why'])}", style="dim")
