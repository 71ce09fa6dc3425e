"""Messages that say only what there is: a field without a value is left out. Pure."""

from typing import Any

from pydantic import BaseModel, ConfigDict


def without_absent(schema: dict[str, Any]) -> None:
    """A field whose default is None is left out instead of told as null: so its schema says as well."""
    for name, field in schema.get("properties", {}).items():
        if field.get("default", "") is not None:
            continue
        del field["default"]
        said = [each for each in field.pop("anyOf") if each != {"type": "null"}]
        field.update(said[0] if len(said) == 1 else {"anyOf": said})
        if name in schema.get("required", ()):
            schema["required"].remove(name)


class Sparse(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, json_schema_extra=without_absent)

    def frame(self) -> str:
        return self.model_dump_json(exclude_none=True, by_alias=True)
