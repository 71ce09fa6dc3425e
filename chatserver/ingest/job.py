"""A job as its log tells it: from the entries to what a client is shown. Pure.

A job is an answer of its own kind (`chatserver.answers.meta.is_job`): queued, run by one owner at a time under a lease,
taken over when the owner dies, stopped when its user asks for it, sealed once. Its entries are progress instead of
text, so that whoever can read an answer, from any place of its log on, can watch a job.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from chatserver.answers.document import AnswerDocument
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState
from chatserver.ingest.attendance import Lack

STATUS: Final[Mapping[AnswerState, str]] = {
    AnswerState.QUEUED: "queued",
    AnswerState.RUNNING: "processing",
    AnswerState.COMPLETED: "completed",
    AnswerState.STOPPED: "cancelled",
    AnswerState.FAILED: "failed",
}

_SHARE: Final = {"load": 0.3, "store": 0.65, "link": 0.05}
"""Of the whole: what is read, what is stored of it, names that came late."""


@dataclass(slots=True)
class Stages:
    """How far each stage is. `progress` of the whole never goes back: what is read adds to what is to be stored."""

    done: dict[str, tuple[int, int]] = field(default_factory=dict)
    progress: int = 0

    def update(self, stage: str, done: int, total: int) -> None:
        self.done[stage] = (done, total)
        loaded = self._part("load")
        whole = (
            _SHARE["load"] * loaded
            + _SHARE["store"] * loaded * self._part("store")
            + (_SHARE["link"] * self._part("link") * (loaded == 1.0))
        )
        self.progress = max(self.progress, min(99, int(100 * whole)))

    def told(self) -> dict[str, Any]:
        stages = {stage: {"done": done, "total": total} for stage, (done, total) in self.done.items()}
        return {"progress": self.progress, "stages": stages}

    def _part(self, stage: str) -> float:
        done, total = self.done.get(stage, (0, 0))
        return done / total if total else 0.0


Status: TypeAlias = dict[str, Any]
"""A job's status document."""


def status_document(meta: AnswerMeta, shown: AnswerDocument, lack: Lack | None = None) -> Status:
    """What `GET /v1/jobs/{id}` answers; `lack`: why nobody takes jobs now."""
    told: dict[str, Any] = shown.data.get("progress", {"progress": 0, "stages": {}})
    document = {
        "job_id": meta.answer,
        "status": STATUS[meta.state],
        "progress": 100 if meta.state is AnswerState.COMPLETED else told["progress"],
        "stages": told["stages"],
        "title": meta.question.text,
        "namespace": meta.question.namespace,
        "created_at": meta.question.asked_at,
        "epoch": meta.epoch,
        "head": meta.head,
        "problems": shown.data.get("problems", []),
        "notices": list(shown.notices),
    }
    if lack is not None and meta.state is AnswerState.QUEUED:
        document["waits_for"] = {"code": lack.code, "message": lack.message}
    if "retry_of" in meta.question.options:
        document["retry_of"] = meta.question.options["retry_of"]
    if "result" in shown.data:
        document["result"] = shown.data["result"]
    if shown.error is not None:
        document["error"] = shown.error
    return document
