"""A server's replies and frames held against its own descriptions, as strictly as can be: a field that is not described
is a fault here, whatever a client may ignore."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import jsonschema_rs

Described = tuple[str, str, str]
"""Path as it is described, method and status."""


def closed(schema: Any) -> Any:
    """The same without room for fields that it does not name."""
    match schema:
        case {"properties": dict(), **_others} if "additionalProperties" not in schema:
            return {name: closed(part) for name, part in schema.items()} | {"additionalProperties": False}
        case dict():
            return {name: closed(part) for name, part in schema.items()}
        case list():
            return [closed(part) for part in schema]
    return schema


def check(schema: Mapping[str, Any], components: Mapping[str, Any], value: Any) -> None:
    """Raises AssertionError with what does not fit."""
    validator = jsonschema_rs.validator_for({**closed(schema), "components": closed(components)})
    faults = [f"{list(fault.instance_path)}: {fault.message}" for fault in validator.iter_errors(value)]
    assert faults == [], (faults, value)


@dataclass
class Http:
    """Calls doors as OpenAPI describes them and checks what they give."""

    client: httpx.Client
    document: Mapping[str, Any]
    called: set[Described] = field(default_factory=set)

    def call(self, method: str, door: str, *, expect: int = 200, **options: Any) -> httpx.Response:
        """`door` is a path of the description; `path` fills its names."""
        path = door.format(**options.pop("path", {}))
        response = self.client.request(method, path, **options)
        assert response.status_code == expect, response.text
        self.called.add((door, method, str(expect)))
        self._check(self.document["paths"][door][method.lower()], response)
        return response

    def _check(self, operation: Mapping[str, Any], response: httpx.Response) -> None:
        responses = operation["responses"]
        described = responses.get(str(response.status_code), responses["default"])
        described = self.document["components"]["responses"]["Problem"] if "$ref" in described else described
        assert set(described.get("headers", {})) <= set(response.headers)
        if not response.content:
            assert "content" not in described
            return
        media = response.headers["content-type"].partition(";")[0]
        schema = described["content"][media].get("schema")
        if media == "text/event-stream":
            for event in events(response.text):
                check(schema["x-data"], self.document["components"], event)
        elif schema is not None:
            check(schema, self.document["components"], response.json())


def events(text: str) -> list[Any]:
    """The data of server-sent events without a name, but for `[DONE]`."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.split("\n\n") if block]
    told = [block["data"] for block in blocks if "event" not in block and "data" in block]
    return [json.loads(data) for data in told if data != "[DONE]"]


@dataclass
class Channel:
    """One socket of AsyncAPI: what is said on it is checked, both ways."""

    document: Mapping[str, Any]
    name: str
    seen: set[str] = field(default_factory=set)

    def messages(self, action: str) -> dict[str, Any]:
        """Payloads by the name of the message."""
        operation = self.document["operations"][f"{self.name}.{action}"]
        names = [message["$ref"].rpartition("/")[2] for message in operation["messages"]]
        channel = self.document["channels"][self.name]
        return {name: channel["messages"][name]["payload"] for name in names}

    def sent(self, command: Mapping[str, Any]) -> str:
        """The frame of a command, which is named by its type."""
        check(self.messages("receive")[command["type"]], self.document["components"], command)
        return json.dumps(command)

    def told(self, frame: str | bytes) -> dict[str, Any]:
        event = cast("dict[str, Any]", json.loads(frame))
        messages = self.messages("send")
        name = event["type"] if event["type"] in messages else "reply"
        check(messages[name], self.document["components"], event)
        self.seen.add(name)
        return event
