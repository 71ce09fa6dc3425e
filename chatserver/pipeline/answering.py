"""`AnswerPipeline`: one question to the entries of its answer.

    start
    start-step  data-decision  [data-retrieval  source-document …  data-records]  finish-step
    (start-step  data-retrieval  source-document …  data-records  finish-step)*
    start-step  [text-start  text-delta …  text-end]  data-notice …  [data-grounding]  data-timing  finish-step
    finish | error

A takeover keeps finished steps, so what a step must tell to be continued from stands in the step itself: those that
find name their sources and what is to be asked next (`told`), the last how it ended (`data-timing.outcome`:
`completed` or an error's code).

    data-timing  {decide_ms?, retrieve_ms?, first_text_ms?, total_ms, model?, prompt?, usage?: {input_tokens,
                  output_tokens}, left_out?, dropped_marks, outcome}
    data-notice  {code, message}
"""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import structlog

from chatserver.models.port import Context, Model, ModelPart, ModelRequest, TextPart
from chatserver.pipeline import told as telling
from chatserver.pipeline.advice import Advisor
from chatserver.pipeline.budget import Budget
from chatserver.pipeline.citations import citations
from chatserver.pipeline.deadline import Deadline, DeadlineExpired
from chatserver.pipeline.decide import FOLLOW_UP, Decision, decide
from chatserver.pipeline.followup import standalone
from chatserver.pipeline.grounding import Grounding
from chatserver.pipeline.looking import Look
from chatserver.pipeline.port import Question
from chatserver.pipeline.prompting import TEMPLATES, Rendered, model_request, rendered
from chatserver.pipeline.retrieve import Retriever
from chatserver.pipeline.speech import COMPLETED, TIMED_OUT, Speech
from chatserver.pipeline.wording import failure, reply
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from chatserver.tracing.port import UNTRACED, Tracer
from graph.types import RecordQuery
from prompts import Prompts
from retrieval.errors import RetrievalError
from retrieval.types import Passage

log = structlog.get_logger(__name__)

NOT_RETRIEVED = "retrieval_failed"


class Passages(Protocol):
    """Of `retrieval.ports.DocumentStore`, what a takeover needs."""

    async def passages(self, ids: Sequence[str], *, namespace: str = "") -> list[Passage]: ...


class AnswerPipeline:
    """`timeout_s` is for the whole answer. Only the model and the retrieval spend it. A takeover starts it anew: an
    answer that was asked before a server was away for minutes is still told, and a step that is told again needs its
    time again. How many owners an answer may have is bounded (`MAX_OWNERS`)."""

    def __init__(
        self,
        retriever: Retriever,
        model: Model,
        prompts: Prompts,
        passages: Passages,
        budget: Budget,
        *,
        grounding: Grounding | None = None,
        advisor: Advisor | None = None,
        timeout_s: float = 120.0,
        tracer: Tracer = UNTRACED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retriever = retriever
        self._model = model
        self._prompts = prompts
        self._passages = passages
        self._budget = budget
        self._grounding = grounding or Grounding()
        self._advisor = advisor
        self._timeout_s = timeout_s
        self._tracer = tracer
        self._clock = clock

    async def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        """See `Pipeline.run`."""
        if not told:
            yield chunks.start(question.answer)
        steps = telling.finished_steps(told)
        step_is_open = bool(told) and told[-1]["type"] == "reset-step"
        with Deadline(self._timeout_s) as deadline:
            answer = _Answer(question, deadline, self._clock())
            finding = [step for step in steps if telling.is_finding(step)]
            if finding:
                await self._recall(answer, finding)
            else:
                if not step_is_open:
                    yield chunks.start_step()
                async with aclosing(self._find(answer)) as found:
                    async for chunk in found:
                        yield chunk
                yield chunks.finish_step()
                step_is_open = False
            while answer.looks and answer.outcome == COMPLETED:
                if not step_is_open:
                    yield chunks.start_step()
                for chunk in await self._look(answer):
                    yield chunk
                yield chunks.finish_step()
                step_is_open = False
            if len(steps) > len(finding):
                answer.outcome = telling.outcome(steps[-1])
            else:
                if not step_is_open:
                    yield chunks.start_step()
                async with aclosing(self._speak(answer)) as said:
                    async for chunk in said:
                        yield chunk
                yield chunks.finish_step()
        yield _terminal(answer)

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        """See `Pipeline.citations`."""
        finding = [step for step in telling.finished_steps(told) if telling.is_finding(step)]
        if not finding:
            return ()
        with Deadline(self._timeout_s) as deadline:
            answer = _Answer(question, deadline, self._clock())
            await self._recall(answer, finding)
        return citations(text, telling.sources(answer.context))

    async def _find(self, answer: "_Answer") -> AsyncGenerator[Chunk, None]:
        """The first step: what to do, and what there is to answer from."""
        began = self._clock()
        answer.decision = _decision(answer.question)
        with self._tracer.span("decide") as span:
            try:
                proposed = await answer.deadline.wait(self._advised(answer))
            except DeadlineExpired:
                answer.outcome = TIMED_OUT
            span.note(kind=answer.decision.kind, outcome=answer.outcome)
        answer.timing["decide_ms"] = self._ms_since(began)
        yield telling.decision_chunk(answer.decision)
        if answer.decision.kind != "retrieve" or answer.outcome != COMPLETED:
            return
        question, began = answer.question, self._clock()
        asked = answer.decision.query or question.text
        work = self._retriever.retrieve(
            asked,
            asked_at=question.asked_at,
            namespace=question.namespace,
            filter=question.filter,
            proposed=proposed,
        )
        with self._tracer.span("retrieve") as span:
            try:
                retrieved = await answer.deadline.wait(work)
            except DeadlineExpired:
                answer.outcome = TIMED_OUT
                span.note(outcome=answer.outcome)
                return
            span.note(passages=len(retrieved.context.passages), records=len(retrieved.context.records))
        answer.timing["retrieve_ms"] = self._ms_since(began)
        answer.context, answer.looks = retrieved.context, retrieved.looks
        if retrieved.failed:
            answer.outcome = NOT_RETRIEVED
        for chunk in telling.retrieval_chunks(retrieved):
            yield chunk

    async def _advised(self, answer: "_Answer") -> tuple[RecordQuery, ...]:
        """What a model would ask the records, and its decision in place of the rules'; those stand where no model is
        asked or it can't say. Small talk that the rules know waits for nobody."""
        if self._advisor is None or answer.decision.kind != "retrieve":
            return ()
        question = answer.question
        collections = await self._retriever.collections(namespace=question.namespace)
        advice = await self._advisor.advise(question, collections)
        if advice is None:
            return ()
        query = "" if advice.query == question.text else advice.query
        answer.decision = Decision(
            advice.kind, advice.reason or answer.decision.reason, advice.language, query, "model"
        )
        return advice.queries

    async def _look(self, answer: "_Answer") -> list[Chunk]:
        """A further step: what is looked for because of what was found."""
        question, known, began = answer.question, answer.context, self._clock()
        work = self._retriever.look(
            answer.looks, answer.looked, known, namespace=question.namespace, filter=question.filter
        )
        with self._tracer.span("look", n=answer.looked + 1):
            try:
                retrieved = await answer.deadline.wait(work)
            except DeadlineExpired:
                answer.outcome = TIMED_OUT
                return []
        spent = answer.timing.get("retrieve_ms", 0.0) + self._ms_since(began)
        answer.timing["retrieve_ms"] = round(spent, 1)
        answer.context, answer.looks = known.extended(retrieved.context), retrieved.looks
        answer.looked += 1
        return telling.retrieval_chunks(retrieved, len(known.passages) + len(known.records))

    async def _recall(self, answer: "_Answer", steps: Sequence[Sequence[Chunk]]) -> None:
        """The finding steps as another owner has told them; their passages are loaded again by id."""
        told = telling.read(steps)
        answer.decision, answer.context = told.decision, told.context
        answer.looks, answer.looked = told.looks, len(steps) - 1
        if told.failed:
            answer.outcome = NOT_RETRIEVED
        if not told.context.passages:
            return
        ids = [ranked.passage.id for ranked in told.context.passages]
        load = self._passages.passages(ids, namespace=answer.question.namespace)
        try:
            answer.context = telling.reloaded(told.context, await answer.deadline.wait(load))
        except DeadlineExpired:
            answer.outcome = TIMED_OUT
        except RetrievalError as error:
            log.warning("told passages not loaded", answer=answer.question.answer, code=error.code)
            answer.outcome = NOT_RETRIEVED

    async def _speak(self, answer: "_Answer") -> AsyncGenerator[Chunk, None]:
        """The last step: the text, and how long all took. Without a context to speak from, only the latter."""
        timing, sources = answer.timing, telling.sources(answer.context)
        if answer.outcome == COMPLETED:
            speech = Speech(sources, answer.deadline, self._clock)
            async with aclosing(speech.entries(self._parts(answer))) as entries:
                async for chunk in entries:
                    yield chunk
            answer.outcome = speech.outcome
            timing["dropped_marks"] = speech.dropped_marks
            if speech.first_text_at is not None:
                timing["first_text_ms"] = _ms(speech.first_text_at - answer.began)
            if speech.usage is not None:
                timing["usage"] = asdict(speech.usage)
            if answer.decision.kind == "retrieve" and speech.text:
                yield chunks.data("grounding", await self._grounding.of(speech.text, sources))
        timing["total_ms"] = self._ms_since(answer.began)
        timing["outcome"] = answer.outcome
        yield chunks.data("timing", timing)

    def _parts(self, answer: "_Answer") -> AsyncGenerator[ModelPart, None]:
        question, decision = answer.question, answer.decision
        if decision.kind != "retrieve":
            return _said(reply(decision.kind, decision.language, question.asked_at))
        request = self._request(question, decision, answer.context)
        answer.timing |= {"model": self._model.name, "prompt": self._prompts.version(*TEMPLATES)}
        if request.left_out:
            answer.timing["left_out"] = request.left_out
        return self._model.stream(replace(request, user=question.user, provider_key=question.provider_key))

    async def rendered(self, question: Question) -> Rendered | None:
        """What a model would be sent for this question, None when it would be answered without one."""
        decision = decide(question.text)
        if decision.kind != "retrieve":
            return None
        where: dict[str, Any] = {"namespace": question.namespace, "filter": question.filter}
        found = await self._retriever.retrieve(question.text, asked_at=question.asked_at, **where)
        context, looked = found.context, 0
        while found.looks:
            found = await self._retriever.look(found.looks, looked, context, **where)
            context, looked = context.extended(found.context), looked + 1
        told = rendered(self._prompts, self._request(question, decision, context), self._budget)
        if self._advisor is None:
            return told
        collections = await self._retriever.collections(namespace=question.namespace)
        return replace(told, decision=self._advisor.rendered(question, collections))

    def _request(self, question: Question, decision: Decision, context: Context) -> ModelRequest:
        return model_request(self._prompts, question, decision, context, self._budget)

    def _ms_since(self, began: float) -> float:
        return _ms(self._clock() - began)


@dataclass(slots=True)
class _Answer:
    """What becomes of one question."""

    question: Question
    deadline: Deadline
    began: float
    decision: Decision = field(default_factory=lambda: decide(""))
    context: Context = field(default_factory=Context)
    looks: tuple[Look, ...] = ()
    looked: int = 0
    """Steps after the first that were told."""
    outcome: str = COMPLETED
    timing: dict[str, Any] = field(default_factory=dict)


def _decision(question: Question) -> Decision:
    """With the question as it stands alone, when it takes something from the chat's earlier turns."""
    decision = decide(question.text)
    if decision.kind != "retrieve":
        return decision
    turns = [turn for turn in question.history if decide(turn.question).kind == "retrieve"]
    query = standalone(question.text, turns)
    return decision if query == question.text else replace(decision, reason=FOLLOW_UP, query=query)


async def _said(text: str) -> AsyncGenerator[ModelPart, None]:
    yield TextPart(text)


def _terminal(answer: _Answer) -> Chunk:
    if answer.outcome == COMPLETED:
        return chunks.finish()
    return chunks.error(failure(answer.outcome, answer.decision.language), answer.outcome)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
