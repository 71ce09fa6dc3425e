import threading

from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import content_words, fold, language, query_stems, stems, words


@given(st.text())
def test_folding_is_stable(text: str) -> None:
    """Text that is folded does not change when it is folded again, nor do its words."""
    assert fold(fold(text)) == fold(text)
    assert words(" ".join(words(text))) == words(text)


def test_words_are_folded_runs_of_letters_and_digits() -> None:
    """Case, marks, compatibility forms, possessives and punctuation make no difference to a word."""
    assert words("Pump P-101's geïnd ﬁlter: FAILURE_MODE") == ["pump", "p", "101", "geind", "filter", "failure", "mode"]


def test_language_is_told_by_function_words() -> None:
    """A sentence is Dutch when Dutch function words outnumber the English ones."""
    assert language("Wat is de huidige status van de machine?") == "nl"
    assert language("What is the current status of the machine?") == "en"
    assert language("P-101") == "en"


def test_inflections_share_a_stem() -> None:
    """Singular and plural, or forms of a verb, meet in one stem in both languages."""
    assert stems("pumps pumping pumped", "en") == ["pump"] * 3
    assert stems("koeler koelers", "nl")[0] == stems("koeler koelers", "nl")[1]


def test_function_words_are_dropped_unless_nothing_else_is_left() -> None:
    """A question keeps its content words; a name made of function words keeps them all."""
    assert content_words("Which director died first?") == ["director", "died", "first"]
    assert content_words("The Who") == ["the", "who"]


def test_a_query_is_stemmed_in_every_language_once() -> None:
    """Each stem is looked up once, however often its word occurs."""
    assert query_stems("pumps pumps pump")[0] == "pump"
    assert len(query_stems("pump pump")) == len(set(query_stems("pump pump")))
    assert query_stems("?!") == []


def test_stemming_from_many_threads_gives_the_same_stems() -> None:
    """The stemmers keep state while they work, and threads do not share it."""
    texts = [f"running{i} connections{i} generalizations{i}" for i in range(300)]
    results: list[list[list[str]]] = []
    threads = [threading.Thread(target=lambda: results.append([stems(t, "en") for t in texts])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)
