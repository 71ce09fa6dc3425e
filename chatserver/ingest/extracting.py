"""Metadata of passages by a model: a strict form, its prompt, and what is taken from it."""

import re
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict

from chatserver.models.port import Form, FormModel, Message, ModelError
from prompts import Prompts, fence
from retrieval.errors import Permanent, Temporary
from retrieval.types import Metadata, Passage

log = structlog.get_logger(__name__)

TEMPLATES: Final = ("extract.system", "extract.user")
_MOST: Final = 12
_LONGEST: Final = 100
_DATE: Final = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?")
_OF_THIS_PASSAGE: Final = frozenset({"model_unfit", "model_rejected"})
"""Codes of what a model can't or won't say of one passage: the next one may be another matter."""


class _Filled(BaseModel):
    model_config = ConfigDict(extra="forbid")

    language: str
    keywords: list[str]
    entities: list[str]
    dates: list[str]


def _read(text: str) -> Metadata:
    """Raises `ValueError`. What is too much or no date is left out: a model that says too much has still said it."""
    filled = _Filled.model_validate_json(text)
    told: dict[str, str | tuple[str, ...] | int] = {}
    if re.fullmatch(r"[a-z]{2}", language := filled.language.strip().lower()):
        told["language"] = language
    dates = [day for day in filled.dates if _DATE.fullmatch(day)]
    for name, found in (("keywords", filled.keywords), ("entities", filled.entities), ("dates", dates)):
        words = dict.fromkeys(" ".join(one.split())[:_LONGEST] for one in found)
        if some := tuple(word for word in words if word)[:_MOST]:
            told[name] = some
    if dates:
        years = [int(day[:4]) for day in dates]
        told |= {"year_from": min(years), "year_to": max(years)}
    return told


METADATA: Final = Form("metadata", _Filled.model_json_schema(), _read)


class ModelExtractor:
    """An `Extractor`. `model` stands behind its guard; its name and the prompt's version are that of what answers."""

    def __init__(self, model: FormModel, prompts: Prompts, *, model_name: str) -> None:
        self.name = f"{model_name} {prompts.version(*TEMPLATES)}"
        self._model = model
        self._prompts = prompts

    async def extract(self, passage: Passage) -> Metadata:
        """Nothing when the model can't say it of this passage. Raises `Temporary`, `Permanent`."""
        try:
            return await self._model.fill(self._messages(passage), METADATA)
        except ModelError as error:
            if error.code in _OF_THIS_PASSAGE:
                log.warning("passage not described by the model", passage=passage.id, code=error.code)
                return {}
            if error.temporary:
                raise Temporary(str(error), retry_after_s=error.retry_after_s) from None
            raise Permanent(str(error)) from None

    def _messages(self, passage: Passage) -> tuple[Message, ...]:
        user = self._prompts.render(
            "extract.user", fence=fence(passage.title, passage.text), title=passage.title, text=passage.text
        )
        return Message("system", self._prompts.render("extract.system")), Message("user", user)
