"""What can go wrong in the graph, beside `retrieval.errors`."""

from collections.abc import Sequence

from retrieval.errors import Permanent


class UnknownName(Permanent):
    """A field or collection that the schema does not have; `nearest` are the closest names that it has."""

    def __init__(self, name: str, nearest: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = tuple(nearest)

    def __str__(self) -> str:
        hint = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        return f"unknown name {self.name!r}{hint}"


class UnknownCollection(UnknownName):
    code = "unknown_collection"


class UnknownField(UnknownName):
    code = "unknown_field"


class InvalidRecord(Permanent):
    code = "invalid_record"


class InvalidCondition(Permanent):
    code = "invalid_condition"


class InvalidAggregate(Permanent):
    """A total that the field's type does not have, or groups without a total."""

    code = "invalid_aggregate"
