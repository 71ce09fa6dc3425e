import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models.sentences import plain, split


def texts(source: str) -> list[str]:
    return [sentence.text for sentence in split(source)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["The pump moves the glycol around.", "It stops when the flow is lost!"],
        ["“It is over now,” she said.", "“Nothing can be done about it.”"],
        ["It was built by Dr. J. R. Smith of the St. Louis works in 1921."],
        ["The limit is 2.5 bar at 3.7 degrees, see fig. 4 and sect. 5.1."],
        ["The company (founded in 1921. It grew quickly) was sold to another owner."],
        ["De pomp (bijv. P-101) draait dag en nacht, d.w.z. nr. 1 en nr. 2."],
        ["Yes. It is so, and has been for many years."],
    ],
)
def test_prose_is_split_where_a_sentence_ends(sentences: list[str]) -> None:
    """Abbreviations, initials, decimals, brackets and short pieces do not end a sentence."""
    assert texts(" ".join(sentences)) == sentences


def test_markdown_blocks_are_sentences_of_their_own() -> None:
    """List items, table rows and wrapped paragraphs are told apart; headings, tables' heads and rules are none."""
    source = """# Start-up

Check the **oil level** of [P-101](pumps.md)
before it starts.

- [ ] Open `V-12`.
1. Wait.

| alarm | cause |
|-------|-------|
| A-12  | FM-01 |

```sh
reset --all
```
> Never alone.
"""
    assert texts(source) == [
        "Check the oil level of P-101 before it starts.",
        "Open V-12.",
        "Wait.",
        "A-12 · FM-01",
        "reset --all",
        "Never alone.",
    ]


def test_marks_of_the_source_do_not_become_ours() -> None:
    """Wikipedia's `[7]` in a quote would read as a citation of our source 7."""
    assert plain("It was sold [7] in 1921.[12, 13]") == "It was sold in 1921."


def test_names_with_underscores_and_products_stay() -> None:
    """Only Markdown's own marks are taken away."""
    assert plain("`failure_mode` is tower_fan_belt_slip, 5 * 3 * 2, _so_ **be it**") == (
        "failure_mode is tower_fan_belt_slip, 5 * 3 * 2, so be it"
    )


@given(st.text(st.sampled_from("Ab. (\n|-#*`>[1]")))
def test_sentences_lie_in_order_within_any_text(source: str) -> None:
    """Whatever the text, offsets are ordered, do not overlap, and hold the sentence's words."""
    end = 0
    for sentence in split(source):
        assert end <= sentence.start < sentence.end <= len(source)
        assert plain(source[sentence.start : sentence.end]) == sentence.text
        end = sentence.end


def test_an_open_bracket_does_not_swallow_a_text() -> None:
    """A bracket that is never closed ends counting after some hundred characters."""
    source = "The unit ( was never closed here. " + "It goes on and on like this for long. " * 20
    assert len(split(source)) > 2
