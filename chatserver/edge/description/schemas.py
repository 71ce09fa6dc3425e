"""Types to JSON Schema, gathered as the components of one document."""

from collections.abc import Hashable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from chatserver.protocol.sparse import without_absent

Schema: TypeAlias = dict[str, Any]
Side: TypeAlias = Literal["taken", "given"]

_MODES: Mapping[Side, JsonSchemaMode] = {"taken": "validation", "given": "serialization"}


class _Schemas(GenerateJsonSchema):
    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """The members say it as well, each with its constant; AsyncAPI takes no discriminator with a mapping."""
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        """It would be the name once more."""
        return False


def plain(type: Any) -> Schema:
    """One that refers to no other, as it stands, where nothing is said of a field by leaving it out."""
    schema = TypeAdapter(type).json_schema(schema_generator=_Schemas)
    without_absent(schema)
    return schema


def components(types: Mapping[Hashable, tuple[Side, Any]]) -> tuple[dict[Hashable, Schema], dict[str, Schema]]:
    """Each type as a schema, and what these refer to, by name, for `components/schemas`."""
    wanted = [(key, _MODES[side], TypeAdapter(type)) for key, (side, type) in types.items()]
    made, rest = TypeAdapter.json_schemas(
        wanted, ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    return {key: dict(schema) for (key, _), schema in made.items()}, rest.get("$defs", {})
