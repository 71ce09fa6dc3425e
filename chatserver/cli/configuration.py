"""Settings as the commands read them: options over environment over file."""

import os
from pathlib import Path

from chatserver.cli.errors import CommandError
from chatserver.settings import Settings, load_settings


def read_settings(data_dir: Path | None) -> Settings:
    """Raises `SettingsError`, and `CommandError` when the data directory can't be used."""
    overrides = {} if data_dir is None else {"CHATSERVER_DATA_DIR": data_dir}
    settings = load_settings(overrides=overrides)
    _prepare(settings.storage.data_dir)
    return settings


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"the data directory {directory} cannot be made: {error.strerror}", code="data_dir_unusable"
        ) from None
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise CommandError(f"the data directory {directory} is not writable", code="data_dir_unusable")
