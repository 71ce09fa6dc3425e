"""How the sources of an answer were reached, as a tree."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatserver.pipeline.reached import reached
from graph.types import Edge
from graph.view import View, as_document, from_document

QUESTION = "Who directed The Prairie King?"


def found(id: str, n: int, *, via: dict[str, Any] | None = None, why: tuple[str, ...] = (), **ranks: int) -> Any:
    told = {"id": id, "n": n, "title": id.title(), "score": 1 / n, "why": list(why), "ranks": ranks}
    return told | ({"via": via} if via else {})


def via(source: str, kind: str, name: str = "") -> dict[str, Any]:
    return {"source": source, "title": source.title(), "kind": kind, "name": name}


def hanging(view: View) -> dict[str, tuple[str | None, str, int | None]]:
    return {branch.node.id: (branch.parent, branch.words, branch.n) for branch in view.branches[1:]}


def test_what_a_leg_found_hangs_on_the_question() -> None:
    """With its places in those legs that had it among their first; the link to it is an edge beside the tree."""
    passages = [found("film", 1, vector=3, keyword=1), found("actor", 2, via=via("film", "next"), vector=2, keyword=40)]
    view = reached(QUESTION, passages)
    assert view.centre.node.label == QUESTION
    assert hanging(view) == {
        "passage:film": ("question", "1st by words, 3rd by meaning", 1),
        "passage:actor": ("question", "2nd by meaning", 2),
    }
    assert view.others == (Edge("passage:film", "passage:actor", "next chunk"),)


def test_what_a_link_led_to_hangs_on_the_name_that_led_there() -> None:
    """The director is named in the film's passage, and nothing else found the director."""
    eason = via("film", "title", "B. Reeves Eason")
    passages = [found("director", 1, via=eason, vector=60), found("film", 2, keyword=1)]
    assert hanging(reached(QUESTION, passages)) == {
        "passage:film": ("question", "1st by words", 2),
        "entity:b reeves eason": ("passage:film", "mentions", None),
        "passage:director": ("entity:b reeves eason", "name of", 1),
    }


def test_a_link_from_a_passage_that_is_no_source() -> None:
    """It stands there without a number, once, and says so."""
    passages = [found("a", 1, via=via("list", "shared", "Eason")), found("b", 2, via=via("list", "previous"))]
    assert hanging(reached(QUESTION, passages)) == {
        "passage:list": ("question", "found, not used", None),
        "entity:eason": ("passage:list", "mentions", None),
        "passage:a": ("entity:eason", "mentioned in", 1),
        "passage:b": ("passage:list", "previous chunk", 2),
    }


def test_records_are_found_by_their_fields() -> None:
    """Numbered on after the passages of their step: those of a later step come after them."""
    record = {"collection": "Event", "id": "E-1", "fields": {}}
    view = reached(QUESTION, [found("a", 1, keyword=1)], [record])
    assert hanging(view)["record:Event/E-1"] == ("question", "fields", 2)
    view = reached(QUESTION, [found("a", 1, keyword=1), found("b", 3, keyword=1)], [record, {**record, "id": "E-2"}])
    assert hanging(view)["record:Event/E-1"] == ("question", "fields", 2)
    assert hanging(view)["record:Event/E-2"] == ("question", "fields", 4)


def test_an_answer_from_before_links_were_told() -> None:
    """Its passages hang on the question with the reasons it has."""
    old = {"id": "a", "n": 1, "title": "A", "score": 1.0, "why": ["keyword #1"]}
    assert hanging(reached(QUESTION, [old])) == {"passage:a": ("question", "keyword #1", 1)}


IDS = st.sampled_from("abcdef")
VIAS = st.builds(via, IDS, st.sampled_from(["title", "mentioned", "shared", "next", "previous"]), IDS)


@given(st.lists(st.tuples(IDS, st.none() | VIAS, st.integers(1, 20)), max_size=6, unique_by=lambda each: each[0]))
def test_every_source_is_on_the_tree(told: list[tuple[str, dict[str, Any] | None, int]]) -> None:
    """Once, with its number, after its parent, also when links lead in a circle."""
    passages = [found(id, n, via=way, vector=rank) for n, (id, way, rank) in enumerate(told, 1)]
    view = reached(QUESTION, passages)
    seen = {"question"}
    for branch in view.branches[1:]:
        assert branch.parent in seen
        assert branch.node.id not in seen
        seen.add(branch.node.id)
    numbers = {branch.node.id: branch.n for branch in view.branches if branch.n}
    assert numbers == {f"passage:{passage['id']}": passage["n"] for passage in passages}
    assert {end for edge in view.others for end in (edge.source, edge.target)} <= seen
    assert from_document(as_document(view)) == view
