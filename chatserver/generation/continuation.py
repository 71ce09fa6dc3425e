"""What a new owner keeps of an answer that another one has begun. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk


@dataclass(frozen=True, slots=True)
class Continuation:
    """`told` is what the pipeline is given; `withdraw` are the entries to append first. An answer that is only to be
    stopped keeps what it has shown: `open_text` is the text part that is still to be ended, `text` what it said."""

    told: tuple[Chunk, ...]
    withdraw: tuple[Chunk, ...]
    open_text: str | None = None
    text: str = ""


def continue_after(logged: Sequence[Chunk]) -> Continuation:
    """Finished steps are kept. A step that was begun and not finished is withdrawn with `reset-step`, and the
    pipeline, seeing that `told` ends so, tells it again inside the step that is still open."""
    kept = 0
    step: int | None = None
    text: str | None = None
    said: list[str] = []
    for index, chunk in enumerate(logged):
        match chunk["type"]:
            case "start" | "finish-step":
                kept, step = index + 1, None
            case "start-step":
                step = index
            case "text-start":
                text, said = chunk["id"], []
            case "text-delta":
                said.append(chunk["delta"])
            case "text-end" | "reset-step":
                text = None
    if step is None:
        return Continuation(tuple(logged[:kept]), ())
    reset = chunks.reset_step()
    return Continuation((*logged[:kept], logged[step], reset), (reset,), text, "".join(said) if text else "")
