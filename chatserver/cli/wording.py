"""What an answer's entries say in the terminal. Pure."""

from collections.abc import Mapping
from typing import Any

from chatserver.client import Answer, Chunk


def step_line(chunk: Chunk) -> str | None:
    """One line for a step as it happens; None for entries that have none."""
    data: Any = chunk.get("data")
    match chunk["type"]:
        case "data-decision":
            return f"{data['kind']}: {data['reason']}"
        case "data-retrieval":
            legs = ", ".join(_leg(leg) for leg in data["legs"])
            return f"{len(data['passages'])} passages · {legs}"
        case "data-records":
            return f"{len(data)} records"
        case "data-notice":
            return f"note: {data['message']}"
        case "reset-step":
            return "this step is told again from its start"
    return None


def _leg(leg: Mapping[str, Any]) -> str:
    if leg["state"] != "ok":
        return f"{leg['leg']} {leg['state']}"
    return f"{leg['leg']} {leg['hits']} in {leg['ms']:.0f} ms"


def source_lines(answer: Answer) -> list[str]:
    """The sources that the text cites, by their numbers."""
    cited = {citation.source for citation in answer.citations}
    return [f"[{source.n}] {source.title}" for source in answer.sources if source.id in cited]


def ending_line(answer: Answer) -> str | None:
    """How the answer ended, when not by itself."""
    if answer.state == "stopped":
        return "(stopped)"
    if answer.error is not None:
        code, message = answer.error
        return f"{message} ({code})"
    return None
