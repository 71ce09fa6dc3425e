"""`chatserver erase`: everything that is kept of one user."""

import asyncio
import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Final

from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.wiring import erase_user

STAYS: Final = "documents, records and the graph belong to a namespace, not to a user, and stay; so do backups"


def erase(user: str, *, yes: bool, data_dir: Path | None, json: bool) -> None:
    settings = read_settings(data_dir)
    if not yes and input(f"Erase every chat, answer and job of {user!r} for ever? Type the name again: ") != user:
        raise CommandError("nothing was erased", code="not_confirmed")
    keep_logs_off_the_screen()
    erased = asyncio.run(erase_user(settings, user))
    if json:
        print(json_format.dumps({"user": user, **asdict(erased), "stays": STAYS}))
        return
    emptied = f", and what {' and '.join(erased.caches)} had cached" if erased.caches else ""
    terminal.say(f"erased {erased.answers} answers and {erased.jobs} jobs of {user}{emptied}")
    for told in erased.untouched:
        terminal.say(f"not emptied: {told}")
    terminal.say(f"What is not of a user stays: {STAYS}.")
