"""A chat as a tree: which question follows which answer, and what lies before one on its branch. Pure.

A question says which answer it follows (`AFTER` among its options), nothing at all (it begins the chat anew), or does
not say: then it follows the newest one that was asked before it. Two that follow the same answer are two branches: a
question that was edited, or asked again for another answer.
"""

from collections.abc import Mapping, Sequence

from chatserver.answers.meta import AFTER, AnswerMeta


def told_after(meta: AnswerMeta) -> str | None:
    """The answer that the question is said to follow, empty for the chat's beginning; None when it is not said."""
    after = meta.question.options.get(AFTER)
    return after if isinstance(after, str) else None


def parents(chat: Sequence[AnswerMeta]) -> Mapping[str, str]:
    """Answer to the one it follows, empty for the chat's beginning. `chat` in the order of asking."""
    found: dict[str, str] = {}
    newest = ""
    for meta in chat:
        after = told_after(meta)
        found[meta.answer] = newest if after is None else after
        newest = meta.answer
    return found


def before(chat: Sequence[AnswerMeta], answer: str) -> list[AnswerMeta]:
    """The answers before this one on its branch, oldest first. One that is gone ends the way back."""
    known = {meta.answer: meta for meta in chat}
    follows = parents(chat)
    way: list[AnswerMeta] = []
    seen = {answer}
    at = follows.get(answer, "")
    while at in known and at not in seen:  # what is told is not trusted to make no circle
        seen.add(at)
        way.append(known[at])
        at = follows[at]
    return way[::-1]
