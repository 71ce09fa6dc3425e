"""`chatserver backup` and `chatserver restore`: the data directory, saved while it is used, and put back."""

import json as json_format
from dataclasses import asdict
from pathlib import Path

from chatserver.care.manifest import Backup
from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.settings import load_settings
from chatserver.wiring import back_up_data, restore_data


def backup(target: Path, *, data_dir: Path | None, json: bool) -> None:
    settings = read_settings(data_dir)
    keep_logs_off_the_screen()
    made = back_up_data(settings, target)
    _tell(made, f"{settings.storage.data_dir} as it was is in {target}", json)


def restore(source: Path, *, data_dir: Path | None, json: bool) -> None:
    directory = data_dir or load_settings().storage.data_dir
    keep_logs_off_the_screen()
    _tell(restore_data(source, directory), f"{source} is in {directory} now", json)


def _tell(backup: Backup, done: str, json: bool) -> None:
    if json:
        print(json_format.dumps(asdict(backup) | {"bytes": backup.bytes}))
        return
    terminal.say(f"{done}: {len(backup.files)} files, {backup.bytes / 1e6:.1f} MB")
    for told in backup.elsewhere:
        terminal.say(f"not in it: {told}")
