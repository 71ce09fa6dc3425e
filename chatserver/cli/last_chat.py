"""Which chat was the last one with each server or data directory: one small file of the user's."""

import json
import os
from pathlib import Path

_KEPT = 50


def read_last_chat(place: str) -> str | None:
    chat = _read().get(place)
    return chat if isinstance(chat, str) else None


def write_last_chat(place: str, chat: str) -> None:
    """Replaces the file as a whole, so that two terminals can't garble it."""
    chats = {key: value for key, value in _read().items() if key != place}
    chats[place] = chat
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(dict(list(chats.items())[-_KEPT:])), encoding="utf-8")
    draft.replace(file)


def _read() -> dict[str, object]:
    try:
        chats = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return chats if isinstance(chats, dict) else {}


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "chatserver" / "last-chats.json"
