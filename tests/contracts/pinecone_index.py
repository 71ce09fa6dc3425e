"""The index of the tests' Pinecone: what an upsert, a query, a deletion and the control plane answer, without HTTP.

It is not Pinecone. It answers as the documentation of API version 2025-04 says, for dense indexes: an exact search
where the real one may approximate, every write visible at once where the real one takes a moment, ties by id where
the real one does not say.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval import filters
from retrieval.errors import InvalidFilter

MAX_VECTORS = 1_000
MAX_IDS = 1_000
MAX_BYTES = 2 * 1024 * 1024
MAX_METADATA = 40 * 1024
MAX_TOP_K = 10_000
MAX_ID = 512
INVALID, NOT_FOUND = 3, 5  # gRPC's codes, as the data plane puts them into its JSON

Body = dict[str, Any]


class Refused(Exception):
    """What the API answers instead."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def invalid(message: str) -> Refused:
    return Refused(400, {"code": INVALID, "message": message, "details": []})


@dataclass
class Vector:
    values: list[float]
    metadata: Body


@dataclass
class Index:
    name: str
    dimension: int
    metric: str = "cosine"
    ready: bool = True
    namespaces: dict[str, dict[str, Vector]] = field(default_factory=dict)
    _matrices: dict[str, tuple[list[str], npt.NDArray[np.float64]]] = field(default_factory=dict)

    def upsert(self, body: Body, size: int) -> Body:
        """All of it or nothing."""
        vectors = body.get("vectors", [])
        if not 0 < len(vectors) <= MAX_VECTORS or size > MAX_BYTES:
            raise invalid(f"{len(vectors)} vectors in {size} bytes: at most {MAX_VECTORS} in {MAX_BYTES} bytes")
        for vector in vectors:
            self._check_vector(vector)
        rows = self.namespaces.setdefault(_namespace(body), {})
        rows |= {vector["id"]: Vector(vector["values"], vector.get("metadata") or {}) for vector in vectors}
        self._matrices.pop(_namespace(body), None)
        return {"upsertedCount": len(vectors)}

    def query(self, body: Body) -> Body:
        top_k = body.get("topK")
        if not isinstance(top_k, int) or not 0 < top_k <= MAX_TOP_K:
            raise invalid(f"top_k must be between 1 and {MAX_TOP_K}")
        vector = body.get("vector", [])
        self._check_values(vector)
        namespace = _namespace(body)
        rows = self.namespaces.get(namespace, {})
        matches = [_match(id, score, rows[id], body) for id, score in self._ranked(namespace, vector, body)[:top_k]]
        return {"results": [], "matches": matches, "namespace": namespace, "usage": {"readUnits": 1}}

    def delete(self, body: Body) -> Body:
        namespace = _namespace(body)
        if namespace not in self.namespaces:
            raise Refused(404, {"code": NOT_FOUND, "message": "Namespace not found", "details": []})
        ids = body.get("ids", [])
        if len(ids) > MAX_IDS:
            raise invalid(f"at most {MAX_IDS} ids")
        for id in self.namespaces[namespace] if body.get("deleteAll") else ids:
            self.namespaces[namespace] = {k: v for k, v in self.namespaces[namespace].items() if k != id}
        self._matrices.pop(namespace, None)
        if not self.namespaces[namespace]:
            del self.namespaces[namespace]
        return {}

    def fetch(self, ids: list[str], namespace: str) -> Body:
        rows = self.namespaces.get(namespace, {})
        found = {id: {"id": id, "values": rows[id].values, "metadata": rows[id].metadata} for id in ids if id in rows}
        return {"vectors": found, "namespace": namespace, "usage": {"readUnits": 1}}

    def list_ids(self, prefix: str, limit: int, token: str, namespace: str) -> Body:
        ids = sorted(id for id in self.namespaces.get(namespace, {}) if id.startswith(prefix) and id > token)
        page: Body = {"vectors": [{"id": id} for id in ids[:limit]], "namespace": namespace, "usage": {"readUnits": 1}}
        return page | ({"pagination": {"next": ids[limit - 1]}} if len(ids) > limit else {})

    def stats(self) -> Body:
        counts = {name: {"vectorCount": len(rows)} for name, rows in self.namespaces.items()}
        total = sum(map(len, self.namespaces.values()))
        return {
            "namespaces": counts,
            "dimension": self.dimension,
            "indexFullness": 0,
            "totalVectorCount": total,
            "metric": self.metric,
            "vectorType": "dense",
        }

    def description(self, host: str) -> Body:
        state = "Ready" if self.ready else "Initializing"
        return {
            "name": self.name,
            "dimension": self.dimension,
            "metric": self.metric,
            "host": host,
            "vector_type": "dense",
            "deletion_protection": "disabled",
            "tags": {},
            "spec": {"serverless": {"cloud": "aws", "region": "us-east-1"}},
            "status": {"ready": self.ready, "state": state},
        }

    def _ranked(self, namespace: str, vector: list[float], body: Body) -> list[tuple[str, float]]:
        """All that match, best first, ties by id."""
        ids, units = self._matrix(namespace)
        scores = units @ (np.array(vector) / np.linalg.norm(vector))
        order = np.argsort(-scores, kind="stable")
        ranked = zip([ids[n] for n in order], scores[order].tolist(), strict=True)
        if not body.get("filter"):
            return list(ranked)
        rows, condition = self.namespaces.get(namespace, {}), _condition(body)
        return [(id, score) for id, score in ranked if filters.matches(condition, _stored(rows[id].metadata))]

    def _matrix(self, namespace: str) -> tuple[list[str], npt.NDArray[np.float64]]:
        """Sorted by id."""
        if namespace not in self._matrices:
            rows = sorted(self.namespaces.get(namespace, {}).items())
            array = np.array([row.values for _, row in rows], dtype=np.float64).reshape(len(rows), self.dimension)
            self._matrices[namespace] = [id for id, _ in rows], array / np.linalg.norm(array, axis=1, keepdims=True)
        return self._matrices[namespace]

    def _check_vector(self, vector: Body) -> None:
        id, metadata = vector["id"], vector.get("metadata") or {}
        if not id or len(id) > MAX_ID or not id.isascii():
            raise invalid(f"Vector ID must be ASCII, of 1 to {MAX_ID} characters, but is {id!r}")
        self._check_values(vector["values"])
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA:
            raise invalid(f"metadata size exceeds the limit of {MAX_METADATA} bytes per vector")
        for key, value in metadata.items():
            texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
            if key.startswith("$") or not (texts or isinstance(value, str | int | float)):
                raise invalid(f"Metadata value must be a string, number, boolean or list of strings for {key!r}")

    def _check_values(self, values: list[float]) -> None:
        if len(values) != self.dimension:
            raise invalid(f"Vector dimension {len(values)} does not match the dimension of the index {self.dimension}")
        if not any(values):
            raise invalid("Dense vectors must contain at least one non-zero value")


def _namespace(body: Body) -> str:
    name = body.get("namespace", "")
    if not name.isascii():
        raise invalid("Namespace must be ASCII")
    return "" if name == "__default__" else str(name)


def _condition(body: Body) -> filters.Condition:
    try:
        return filters.parse(body.get("filter") or {})
    except InvalidFilter as error:
        raise invalid(str(error)) from None


def _stored(metadata: Body) -> Body:
    """Numbers are floats in Pinecone, whatever they came as."""
    return {key: _plain(value) for key, value in metadata.items()}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _match(id: str, score: float, row: Vector, body: Body) -> Body:
    match: Body = {"id": id, "score": score, "values": row.values if body.get("includeValues") else []}
    return match | ({"metadata": _stored(row.metadata)} if body.get("includeMetadata") else {})
