"""What a language model makes of a question before anything is searched: is it small talk, what does it stand for, and
what does it ask of the records. Rules take its place where it gives nothing that can be used, or nothing in time.

The records' names and values, and the chat's earlier turns, are data: they stand inside a fence that none of them can
close, and never among the instructions.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from chatserver.models.port import Message, ModelError, PaidForms
from chatserver.pipeline.budget import Budget
from chatserver.pipeline.form import ADVICE, Advice
from chatserver.pipeline.port import Question
from chatserver.pipeline.prompting import Rendered, recent
from graph.types import Collection
from prompts import Prompts, fence

log = structlog.get_logger(__name__)

TEMPLATES = ("decide.system", "decide.user")


class Advisor:
    """`model` limits the time of a call."""

    def __init__(self, model: PaidForms, prompts: Prompts, budget: Budget) -> None:
        self._model = model
        self._prompts = prompts
        self._budget = budget

    async def advise(self, question: Question, collections: Mapping[str, Collection]) -> Advice | None:
        """None when the model could not say. Raises nothing but cancellation."""
        try:
            return await self._model.fill(
                self._messages(question, collections), ADVICE, user=question.user, provider_key=question.provider_key
            )
        except ModelError as error:
            log.warning("decided by rules", answer=question.answer, code=error.code, error=str(error))
            return None

    def rendered(self, question: Question, collections: Mapping[str, Collection]) -> Rendered:
        """Exactly what the model is sent. Raises `prompts.PromptError`."""
        messages = self._messages(question, collections)
        tokens = sum(self._budget.count(message.content) for message in messages)
        return Rendered(self._prompts.version(*TEMPLATES), tokens, 0, messages)

    def _messages(self, question: Question, collections: Mapping[str, Collection]) -> tuple[Message, ...]:
        known = [_told(collection) for collection in collections.values()]
        turns = recent(question.history, self._budget)
        data = [text for turn in turns for text in (turn.question, turn.answer)]
        data += [text for collection in known for text in _texts(collection)]
        user = self._prompts.render(
            "decide.user",
            now=f"{question.asked_at:%Y-%m-%dT%H:%M:%SZ, %A}",
            collections=known,
            turns=turns,
            fence=fence(*data),
            question=question.text,
        )
        return Message("system", self._prompts.render("decide.system")), Message("user", user)


def _told(collection: Collection) -> dict[str, Any]:
    fields = [
        {"name": name, "type": type, "values": list(collection.values.get(name, ()))}
        for name, type in collection.fields.items()
    ]
    return {"name": collection.name, "count": collection.count, "fields": fields}


def _texts(collection: dict[str, Any]) -> list[str]:
    return [collection["name"], *(text for field in collection["fields"] for text in (field["name"], *field["values"]))]
