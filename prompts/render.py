"""Strict rendering of the prompt templates in this folder.

A variable that a template names and the caller does not give is an error. Retrieved text is data: it stands between
fence lines that carry a digest of that very text, so no text can hold its own fence and step out of it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError, TemplateNotFound

_FOLDER = Path(__file__).parent
_DIGITS = 12


class PromptError(Exception):
    """A template is missing, malformed, or was given too few variables."""


class Prompts:
    """The templates of a folder; read once, so a running answer never mixes two versions."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        texts = {
            path.name.removesuffix(".md.j2"): path.read_text(encoding="utf-8")
            for path in sorted(folder.glob("*.md.j2"))
        }
        self.versions: Mapping[str, str] = {name: _digest(text) for name, text in texts.items()}
        """Template name -> digest of its content."""
        self._environment = Environment(
            loader=DictLoader(texts),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 (a prompt is no HTML; data is fenced, see `fence`)
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, /, **variables: Any) -> str:
        """The text of template `name` (`answer.user` for `answer.user.md.j2`). Raises `PromptError`."""
        try:
            return self._environment.get_template(name).render(variables).strip()
        except TemplateNotFound as error:
            raise PromptError(f"no prompt template {name!r}") from error
        except TemplateError as error:
            raise PromptError(f"prompt template {name!r}: {error}") from error

    def version(self, *names: str) -> str:
        """One digest over these templates: it changes when one of them does."""
        return _digest(" ".join(f"{name}:{self.versions[name]}" for name in names))


def fence(*texts: str) -> str:
    """A word that stands in none of `texts`: the digest of them all, lengthened in the impossible case."""
    word = _digest("\0".join(texts))
    while any(word in text for text in texts):
        word += _digest(word)
    return word


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
