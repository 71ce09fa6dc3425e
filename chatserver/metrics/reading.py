"""What the entries of answers and jobs say of themselves, as numbers: what a user is shown is what is counted."""

from collections.abc import Callable, Mapping
from typing import Any

from chatserver.metrics.families import Families
from chatserver.protocol.chunks import Chunk

_KINDS = ("documents", "passages", "records", "unchanged", "left_out")


class Reading:
    """An entry of the shape that `chatserver.pipeline.told` and its siblings write; others are passed by."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._readers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "data-decision": self._decision,
            "data-retrieval": self._retrieval,
            "data-timing": self._timing,
            "data-result": self._result,
        }
        families.outcomes.labels("completed")
        for kind in _KINDS:
            families.ingested.labels(kind)

    def read(self, chunk: Chunk) -> None:
        reader = self._readers.get(chunk["type"])
        if reader is not None:
            reader(chunk["data"])

    def _decision(self, data: Mapping[str, Any]) -> None:
        self._families.decisions.labels(data["kind"]).inc()

    def _retrieval(self, data: Mapping[str, Any]) -> None:
        for leg in data["legs"]:
            self._families.legs.labels(leg["leg"], leg["state"]).observe(leg["ms"] / 1000)

    def _timing(self, data: Mapping[str, Any]) -> None:
        self._families.outcomes.labels(data["outcome"]).inc()
        before = 0.0
        for stage in ("decide", "retrieve"):
            if (ms := data.get(f"{stage}_ms")) is not None:
                before += ms
                self._families.stages.labels(stage).observe(ms / 1000)
        self._families.stages.labels("speak").observe(max(0.0, data["total_ms"] - before) / 1000)

    def _result(self, data: Mapping[str, Any]) -> None:
        for kind in _KINDS:
            self._families.ingested.labels(kind).inc(data.get(kind, 0))
