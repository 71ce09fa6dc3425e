"""`chatserver prompts render`."""

import asyncio
import json as json_format
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.pipeline.port import Question
from chatserver.pipeline.prompting import Rendered
from chatserver.settings import Settings
from chatserver.wiring import open_knowledge, open_pipeline


def render(question: str, *, namespace: str, data_dir: Path | None, json: bool) -> None:
    """Prints what a model would be sent, its hash and its tokens; asks no model."""
    settings = read_settings(data_dir)
    keep_logs_off_the_screen()
    rendered = asyncio.run(_rendered(settings, question, namespace))
    if json:
        print(json_format.dumps(asdict(rendered) if rendered else None, ensure_ascii=False))
    else:
        _show(rendered)


async def _rendered(settings: Settings, text: str, namespace: str) -> Rendered | None:
    question = Question("render", "render", "render", text, datetime.now(UTC), namespace)
    async with open_knowledge(settings) as knowledge, open_pipeline(settings, knowledge) as pipeline:
        return await pipeline.rendered(question)


def _show(rendered: Rendered | None) -> None:
    if rendered is None:
        terminal.say("answered without a model: nothing would be sent")
        return
    if rendered.decision is not None:
        _show(rendered.decision)
        terminal.say("then, when it says that sources are needed, with what its own query finds:", style="bold")
    for message in rendered.messages:
        terminal.say(message.role, style="bold")
        terminal.say(message.content)
    left_out = f" · {rendered.left_out} sources left out" if rendered.left_out else ""
    terminal.say(f"prompt {rendered.prompt} · {rendered.tokens} tokens{left_out}", style="dim")
