"""Cases answered by a language model, as the pipeline has it answer: the real prompt within its budget, its marks
checked, its statements held against what they cite."""

from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.answer_cases import Case
from chatserver.models.port import Model, TextPart
from chatserver.models.scripted import ScriptedModel
from chatserver.pipeline.budget import Budget
from chatserver.pipeline.citations import Marks, citations
from chatserver.pipeline.decide import decide
from chatserver.pipeline.grounding import Grounding
from chatserver.pipeline.port import Question
from chatserver.pipeline.prompting import model_request
from chatserver.pipeline.told import sources
from chatserver.settings import Prompt, Settings
from prompts import Prompts
from retrieval.embedders.tokens import TokenCounter
from retrieval.ports import Embedder


@dataclass(frozen=True, slots=True)
class Said:
    """`cited` are ids of documents; `unsupported` of the `statements` are not carried by what they cite."""

    text: str
    cited: frozenset[str]
    statements: int
    unsupported: int


class Told:
    """`answer` raises `ModelError`."""

    def __init__(self, model: Model, embedder: Embedder) -> None:
        self._model = model
        self._prompts = Prompts()
        self._budget = Budget(Prompt().context_tokens, Prompt().history_tokens, TokenCounter())
        self._grounding = Grounding(embedder)

    async def answer(self, case: Case) -> Said:
        text = await self._text(case)
        behind = sources(case.context)
        documents = {ranked.passage.id: ranked.passage.document for ranked in case.context.passages}
        cited = {documents[id] for one in citations(text, behind) if (id := one["source"]["id"]) in documents}
        grounding = await self._grounding.of(text, behind)
        return Said(text, frozenset(cited), grounding["statements"], len(grounding["unsupported"]))

    async def _text(self, case: Case) -> str:
        question = Question("a", "c", "u", case.question.text, datetime.now(UTC))
        request = model_request(self._prompts, question, decide(question.text), case.context, self._budget)
        marks = Marks(len(sources(case.context)))
        said = [marks.feed(part.text) async for part in self._model.stream(request) if isinstance(part, TextPart)]
        return "".join(said) + marks.finish()


def configured(settings: Settings) -> Model:
    """The configured language model. Raises SystemExit when there is none."""
    match settings.model.kind:
        case "openai":
            from chatserver.models.openai_compatible import OpenAICompatibleModel  # the SDK takes a second to import

            key, url = settings.model.api_key, settings.model.base_url
            return OpenAICompatibleModel(
                settings.model.effective_name,
                api_key=key.get_secret_value() if key else None,
                base_url=str(url) if url else None,
            )
        case "scripted":
            return ScriptedModel()
        case _:
            raise SystemExit("--model asks the configured language model: set OPENAI_API_KEY or OPENAI_BASE_URL")
