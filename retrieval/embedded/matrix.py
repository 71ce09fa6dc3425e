"""Vectors of one namespace in memory: rows of a float32 matrix, searched exactly."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_FIRST_ROWS = 256
_DIGITS = 6  # the same product differs by 1e-7 with the row that it stands in: equal vectors must tie


class Matrix:
    """Unit vectors by passage id. Room grows by doubling; the last row moves into the place of a dropped one.

    float32, though float16 is what is stored: NumPy multiplies halves an order of magnitude slower. Not safe to use
    from two threads at once.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._rows: Float32 = np.empty((0, dimension), dtype=np.float32)
        self._ids: list[str] = []
        self._row_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, ids: Sequence[str], vectors: npt.NDArray[Any]) -> None:
        """Adds or replaces; `vectors` has one row for each id."""
        rows = [self._row(id) for id in ids]
        self._make_room()
        self._rows[rows] = vectors

    def drop(self, id: str) -> None:
        """An unknown id is no error."""
        row = self._row_of.pop(id, None)
        if row is None:
            return
        last = self._ids.pop()
        if last != id:
            self._ids[row] = last
            self._row_of[last] = row
            self._rows[row] = self._rows[len(self._ids)]

    def search(self, query: Float32, top_k: int, among: Iterable[str] | None = None) -> list[tuple[str, float]]:
        """The `top_k` best ids and their cosines, ties by id; only ids in `among` when that is given."""
        # Not `@`: BLAS wakes a thread for every core, which costs a busy server twice the CPU and its slowest queries.
        scores = np.round(np.einsum("ij,j->i", self._rows[: len(self._ids)], query), _DIGITS)
        rows = np.arange(len(scores)) if among is None else self._known(among)
        best = _best(scores[rows], top_k)
        found = [(self._ids[row], float(scores[row])) for row in rows[best].tolist()]
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:top_k]

    def _row(self, id: str) -> int:
        row = self._row_of.setdefault(id, len(self._ids))
        if row == len(self._ids):
            self._ids.append(id)
        return row

    def _make_room(self) -> None:
        if len(self._ids) > len(self._rows):
            room = max(_FIRST_ROWS, 2 * len(self._rows), len(self._ids))
            grown = np.empty((room, self.dimension), dtype=np.float32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown

    def _known(self, ids: Iterable[str]) -> npt.NDArray[np.intp]:
        return np.array([self._row_of[id] for id in ids if id in self._row_of], dtype=np.intp)


def _best(scores: Float32, top_k: int) -> npt.NDArray[np.intp]:
    """Where the `top_k` highest stand, in any order, with all that tie with the lowest of them."""
    if top_k >= len(scores):
        return np.arange(len(scores))
    lowest = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
    return np.flatnonzero(scores >= lowest)
