import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from retrieval.embedded.matrix import Matrix

IDS = st.sampled_from([f"p{i}" for i in range(12)])
VECTORS = st.tuples(*[st.integers(-3, 3)] * 3)


class MatrixMachine(RuleBasedStateMachine):
    """A matrix is a mapping from ids to vectors, whatever is added, replaced and dropped in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = Matrix(3)
        self.model: dict[str, tuple[int, ...]] = {}

    @rule(items=st.dictionaries(IDS, VECTORS, min_size=1))
    def put(self, items: dict[str, tuple[int, ...]]) -> None:
        self.matrix.put(list(items), np.array(list(items.values())))
        self.model |= items

    @rule(id=IDS)
    def drop(self, id: str) -> None:
        self.matrix.drop(id)
        self.model.pop(id, None)

    @rule(query=VECTORS, top_k=st.integers(1, 14), among=st.none() | st.lists(IDS, unique=True))
    def search(self, query: tuple[int, ...], top_k: int, among: list[str] | None) -> None:
        allowed = self.model if among is None else [id for id in among if id in self.model]
        scored = [(id, float(np.dot(self.model[id], query))) for id in allowed]
        expected = sorted(scored, key=lambda hit: (-hit[1], hit[0]))[:top_k]
        assert self.matrix.search(np.array(query, dtype=np.float32), top_k, among) == expected

    @invariant()
    def holds_as_many(self) -> None:
        assert len(self.matrix) == len(self.model)


TestMatrix = MatrixMachine.TestCase
TestMatrix.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)


def test_room_grows_by_doubling() -> None:
    """A thousand single additions move the rows a handful of times, not a thousand."""
    matrix, moves, before = Matrix(2), 0, None
    for i in range(1_000):
        matrix.put([f"p{i}"], np.ones((1, 2)))
        moves += matrix._rows is not before
        before = matrix._rows
    assert moves <= 4
