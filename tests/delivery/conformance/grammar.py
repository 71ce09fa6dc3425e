"""The order that an answer's entries must keep, and what a reader of all of them sees. Pure; written from
`PROTOCOL.md`, not from the server's code."""

from collections.abc import Iterator, Sequence

from tests.delivery.conformance.journal import Frame

STATE_OF = {"finish": "completed", "abort": "stopped", "error": "failed"}
"""Terminal chunk to state."""
_SHOWN = ("text-", "source-")


def text_of(entries: Sequence[Frame]) -> str:
    """The text that is left when withdrawn steps are dropped."""
    texts: list[str] = []
    before_step = 0
    for entry in entries:
        match entry["type"]:
            case "start-step":
                before_step = len(texts)
            case "reset-step":
                del texts[before_step:]
            case "text-delta":
                texts.append(entry["delta"])
    return "".join(texts)


def faults_of(entries: Sequence[Frame], state: str) -> Iterator[str]:
    """What is wrong with a sealed log."""
    kinds = [entry["type"] for entry in entries]
    if kinds[:1] != ["start"] or kinds.count("start") != 1:
        yield "the log does not begin with its only start"
    terminals = [index for index, kind in enumerate(kinds) if kind in STATE_OF]
    if terminals != [len(kinds) - 1]:
        yield f"terminal entries at {terminals} of {len(kinds)}"
    elif STATE_OF[kinds[-1]] != state:
        yield f"sealed {state} by {kinds[-1]}"
    yield from _step_faults(entries)


def _step_faults(entries: Sequence[Frame]) -> Iterator[str]:
    in_step, text = False, None
    for seq, entry in enumerate(entries):
        kind = entry["type"]
        if in_step == (kind == "start-step") and kind in {"start-step", "finish-step", "reset-step"}:
            yield f"{kind} at {seq} {'inside' if in_step else 'outside'} a step"
        if not in_step and kind.startswith(_SHOWN):
            yield f"{kind} at {seq} outside a step"
        match kind:
            case "start-step":
                in_step = True
            case "finish-step":
                in_step = False
            case "reset-step":
                text = None
            case "text-start":
                if text is not None:
                    yield f"text-start at {seq} inside a text"
                text = entry["id"]
            case "text-delta" | "text-end":
                if text != entry["id"]:
                    yield f"{kind} at {seq} outside its text"
                text = text if kind == "text-delta" else None
