from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import PromptError, Prompts, fence

SOURCE = {"n": 1, "title": "Pumps", "text": "P-101 moves the glycol."}


def rendered(**changes: object) -> str:
    given = {"question": "What is P-101?", "sources": [SOURCE], "notes": [], "facts": [], "fence": "f00"}
    return Prompts().render("answer.user", **(given | changes))


@pytest.mark.parametrize("missing", ["question", "sources", "facts", "fence"])
def test_a_missing_variable_is_an_error(missing: str) -> None:
    """A template never renders with a hole in it."""
    given = {"question": "x", "sources": [SOURCE], "notes": [], "facts": [], "fence": "f00"}
    del given[missing]
    with pytest.raises(PromptError, match=missing):
        Prompts().render("answer.user", **given)


def test_an_unknown_template_is_an_error() -> None:
    """A name without a template is told."""
    with pytest.raises(PromptError, match="odd"):
        Prompts().render("odd")


def test_sources_stand_inside_the_fence_and_the_question_outside() -> None:
    """Numbered sources are data; the question comes after them."""
    text = rendered()
    opened, closed = text.index("<<< data f00"), text.index(">>> end f00")
    assert opened < text.index("[1] Pumps") < text.index("P-101 moves") < closed < text.index("What is P-101?")


def test_without_sources_the_model_is_told_so() -> None:
    """No source is said, not left out."""
    assert "No source was found" in rendered(sources=[])


def test_text_of_a_source_is_no_template() -> None:
    """Template marks inside a source are shown as they are."""
    assert "{{ question }}{% if x %}" in rendered(sources=[SOURCE | {"text": "{{ question }}{% if x %}"}])


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_holds_its_own_fence(texts: list[str]) -> None:
    """A source cannot close the fence that it stands in, not even one that guesses the fence of other texts."""
    word = fence(*texts)
    assert all(word not in text for text in texts)
    assert fence(*texts, word) not in word


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    """A template's version changes with its content and with nothing else."""
    template = tmp_path / "greet.md.j2"
    template.write_text("Hello {{ name }}", encoding="utf-8")
    first, again = Prompts(tmp_path), Prompts(tmp_path)
    template.write_text("Dear {{ name }}", encoding="utf-8")
    changed = Prompts(tmp_path)
    assert first.version("greet") == again.version("greet") != changed.version("greet")
    assert first.render("greet", name="A") == "Hello A"  # read once, though the file has changed


def test_a_malformed_template_is_an_error(tmp_path: Path) -> None:
    """A syntax error is told with the template's name."""
    (tmp_path / "bad.md.j2").write_text("{% if %}", encoding="utf-8")
    with pytest.raises(PromptError, match="bad"):
        Prompts(tmp_path).render("bad")
