"""From a question and its context to the messages that a language model reads. Pure but for the templates given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatserver.models.composition import note_text, record_text, unmarked
from chatserver.models.port import Context, Message, ModelRequest, Turn
from chatserver.pipeline.budget import Budget, fitting
from chatserver.pipeline.decide import Decision
from chatserver.pipeline.port import Question
from prompts import Prompts, fence
from retrieval.text import Language

TEMPLATES = ("answer.system", "answer.user")

_LANGUAGES: dict[Language, str] = {"en": "English", "nl": "Dutch"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a model would be sent: the messages, the templates' hash, and how many tokens they are. `decision` is what
    it would be sent before, to say what the question is."""

    prompt: str
    tokens: int
    left_out: int
    messages: tuple[Message, ...]
    decision: "Rendered | None" = None


def rendered(prompts: Prompts, request: ModelRequest, budget: Budget) -> Rendered:
    """Raises `prompts.PromptError`."""
    tokens = sum(budget.count(message.content) for message in request.messages)
    return Rendered(prompts.version(*TEMPLATES), tokens, request.left_out, request.messages)


def model_request(
    prompts: Prompts, question: Question, decision: Decision, context: Context, budget: Budget
) -> ModelRequest:
    """Sources and facts are data inside a fence that none of them can close. What the budget has no room for is left
    out: facts first, then the passages found last, then records, and the oldest turns. A language model reads the
    question as it was asked, after the turns; the request carries it as it stands alone. Raises `PromptError`."""
    kept = _within(context, budget)
    numbered = _sources(context, kept)
    facts = [[unmarked(part) for part in (fact.subject, fact.relation, fact.object)] for fact in kept.facts]
    notes = [unmarked(note_text("en", note)) for note in context.notes]
    data = [text for source in numbered for text in (source["title"], source["text"])]
    data += [*(part for fact in facts for part in fact), *notes]
    user = prompts.render(
        "answer.user", question=question.text, sources=numbered, facts=facts, notes=notes, fence=fence(*data)
    )
    system = prompts.render("answer.system", language=_LANGUAGES[decision.language])
    turns = recent(question.history, budget)
    earlier = [
        message for turn in turns for message in (Message("user", turn.question), Message("assistant", turn.answer))
    ]
    messages = (Message("system", system), *earlier, Message("user", user))
    left_out = len(context.passages) + len(context.records) - len(numbered)
    asked = decision.query or question.text
    return ModelRequest(
        asked, decision.language, context, messages, question.history, left_out, namespace=question.namespace
    )


def _within(context: Context, budget: Budget) -> Context:
    """The records, the best passages and the facts that fit, in this order of importance."""
    records = [record_text(record) for record in context.records]
    passages = [f"{ranked.passage.title}\n{ranked.passage.text}" for ranked in context.passages]
    facts = [f"{fact.subject} {fact.relation} {fact.object}" for fact in context.facts]
    room = fitting([*records, *passages, *facts], budget.context_tokens, budget.count)
    to_passages = max(0, room - len(records))
    return Context(
        context.passages[:to_passages], context.facts[: max(0, to_passages - len(passages))], context.records[:room]
    )


def recent(history: Sequence[Turn], budget: Budget) -> Sequence[Turn]:
    """The last turns that the budget has room for, oldest first."""
    newest_first = [f"{turn.question}\n{turn.answer}" for turn in reversed(history)]
    kept = fitting(newest_first, budget.history_tokens, budget.count)
    return history[len(history) - kept :]


def _sources(context: Context, kept: Context) -> list[dict[str, Any]]:
    """Numbered as in the whole context: a mark means the same source whatever was left out."""
    passages = [
        (n, unmarked(ranked.passage.title), unmarked(ranked.passage.text))
        for n, ranked in zip(context.passage_numbers, kept.passages, strict=False)
    ]
    records = [
        (n, unmarked(f"{record.collection} {record.id}"), unmarked(record_text(record)))
        for n, record in zip(context.record_numbers, kept.records, strict=False)
    ]
    return [{"n": n, "title": title, "text": text} for n, title, text in passages + records]
