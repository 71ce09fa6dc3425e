"""`chatserver delete`."""

import json as json_format
from collections.abc import Sequence
from pathlib import Path

from chatserver.cli import terminal
from chatserver.cli.reach import reached


def delete(
    ids: Sequence[str],
    *,
    collection: str | None,
    namespace: str,
    url: str | None,
    data_dir: Path | None,
    json: bool,
) -> int:
    """The exit code: 0 when all of them went, 1 when one was not there."""
    with reached(url, data_dir) as (loop, client):
        there = {id: loop.run(client.delete(id, collection=collection, namespace=namespace)) for id in ids}
    gone, unknown = [[id for id, was in there.items() if was is which] for which in (True, False)]
    if json:
        print(json_format.dumps({"deleted": gone, "unknown": unknown}, ensure_ascii=False))
    else:
        terminal.say(f"deleted {len(gone)} of {len(there)}")
        for id in unknown:
            terminal.say(f"there is no {id}", style="red")
    return 1 if unknown else 0
