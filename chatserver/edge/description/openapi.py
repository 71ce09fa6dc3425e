"""OpenAPI 3.1 of the HTTP doors."""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from chatserver import __version__
from chatserver.edge.about import EVENTS, About, Contents
from chatserver.edge.description.documents import Problem
from chatserver.edge.description.schemas import Schema, Side, components, plain
from chatserver.edge.doors import Door
from chatserver.edge.gate import Access
from chatserver.edge.identity import COOKIE

PROBLEM: Final = "application/problem+json"
DATA: Final = "x-data"
"""In the schema of an event stream: that of each event's data. OpenAPI 3.1 has no word for it."""

_SECURITY: Final[list[dict[str, list[str]]]] = [{"token": []}, {"cookie": []}, {}]
"""The last for servers without logins."""


def openapi(doors: Iterable[Door]) -> dict[str, Any]:
    """The document."""
    operations = [(door, method) for door in doors for method in sorted((door.methods or set()) - {"HEAD"})]
    described = [(door, door.about, method) for door, method in operations if door.about is not None]
    made, schemas = components({**dict(_types(described)), "problem": ("given", Problem)})
    paths: dict[str, dict[str, Any]] = {}
    for door, about, method in described:
        paths.setdefault(_path(door), {})[method.lower()] = _operation(door, about, method, made)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chatserver",
            "version": __version__,
            "description": "A chat backend whose answers cannot be lost. PROTOCOL.md says what the doors mean.",
        },
        "servers": [{"url": "/"}],
        "security": _SECURITY,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {"description": "A problem document.", "content": {PROBLEM: {"schema": made["problem"]}}}
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def _types(described: Iterable[tuple[Door, About, str]]) -> Iterator[tuple[Hashable, tuple[Side, Any]]]:
    for door, about, method in described:
        for media, taken in about.takes.items():
            yield (door.path, method, media), ("taken", taken)
        for status, contents in about.gives.items():
            for media, given in (contents or {}).items():
                if given is not None:
                    yield (door.path, method, status, media), ("given", given)


def _operation(door: Door, about: About, method: str, made: Mapping[Hashable, Schema]) -> dict[str, Any]:
    summary, _, more = (door.endpoint.__doc__ or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": f"{door.endpoint.__module__.rpartition('.')[2]}.{door.endpoint.__name__}",
        "summary": " ".join(summary.split()),
        "parameters": [*_path_parameters(door), *_query(about.query), *_headers(about)],
        "responses": {**_given(door, about, method, made), **_refused(door)},
    }
    if more:
        operation["description"] = more
    if about.takes:
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": made[door.path, method, media]} for media in about.takes},
        }
    if door.access is Access.PUBLIC:
        operation["security"] = []
    return operation


def _given(door: Door, about: About, method: str, made: Mapping[Hashable, Schema]) -> dict[str, Any]:
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            **({"headers": _told(about.tells)} if about.tells and status == min(about.gives) else {}),
            **({"content": _content((door.path, method, status), contents, made)} if contents else {}),
        }
        for status, contents in about.gives.items()
    }


def _content(key: tuple[Any, ...], contents: Contents, made: Mapping[Hashable, Schema]) -> dict[str, Any]:
    return {media: _media(media, made.get((*key, media))) for media in contents}


def _media(media: str, schema: Schema | None) -> dict[str, Any]:
    if media == EVENTS:
        return {"schema": {"type": "string", DATA: schema}}
    return {"schema": schema} if schema is not None else {}


def _refused(door: Door) -> dict[str, Any]:
    """A known status is named, any other is of the same form."""
    statuses = {Access.PUBLIC: (), Access.USER: (401, 429), Access.OPERATOR: (401, 403, 429)}[door.access]
    return {status: {"$ref": "#/components/responses/Problem"} for status in (*map(str, statuses), "default")}


def _path(door: Door) -> str:
    return re.sub(r":\w+}", "}", door.path)


def _path_parameters(door: Door) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    names = re.findall(r"{(\w+)}", _path(door))
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def _query(parameters: Any) -> list[dict[str, Any]]:
    if parameters is None:
        return []
    schema = plain(parameters)
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _headers(about: About) -> list[dict[str, Any]]:
    text = {"type": "string"}
    return [
        {"name": name, "in": "header", "required": False, "description": why, "schema": text}
        for name, why in about.headers.items()
    ]


def _told(headers: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"description": what, "schema": {"type": "string"}} for name, what in headers.items()}
