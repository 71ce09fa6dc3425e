"""From a question and its context to the messages that a language model reads. Pure but for the templates given."""

from collections.abc import Sequence
from typing import Any

from chatserver.models.composition import record_text
from chatserver.models.port import Context, Message, ModelRequest, Turn
from prompts import Prompts, fence
from retrieval.text import Language

TEMPLATES = ("answer.system", "answer.user")

_LANGUAGES: dict[Language, str] = {"en": "English", "nl": "Dutch"}


def model_request(
    prompts: Prompts, question: str, language: Language, context: Context, history: Sequence[Turn]
) -> ModelRequest:
    """Sources and facts are data inside a fence that none of them can close. Raises `prompts.PromptError`."""
    numbered = _sources(context)
    data = [text for source in numbered for text in (source["title"], source["text"])]
    data += [text for fact in context.facts for text in (fact.subject, fact.relation, fact.object)]
    user = prompts.render("answer.user", question=question, sources=numbered, facts=context.facts, fence=fence(*data))
    system = prompts.render("answer.system", language=_LANGUAGES[language])
    earlier = [
        message for turn in history for message in (Message("user", turn.question), Message("assistant", turn.answer))
    ]
    messages = (Message("system", system), *earlier, Message("user", user))
    return ModelRequest(question, language, context, messages, tuple(history))


def _sources(context: Context) -> list[dict[str, Any]]:
    passages = [(ranked.passage.title, ranked.passage.text) for ranked in context.passages]
    records = [(f"{record.collection} {record.id}", record_text(record)) for record in context.records]
    return [{"n": n, "title": title, "text": text} for n, (title, text) in enumerate(passages + records, 1)]
