"""AsyncAPI 3.1 of the sockets, as the server sees them: it receives commands and sends events."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chatserver import __version__
from chatserver.edge.description import frames
from chatserver.edge.description.schemas import Schema, Side, components
from chatserver.protocol import ai_sdk, commands, events


@dataclass(frozen=True, slots=True)
class Channel:
    """A socket: what is said on it, by the message's name."""

    address: str
    about: str
    taken: Mapping[str, Any]
    given: Mapping[str, Any]
    subprotocol: str | None = None

    def messages(self) -> Iterable[tuple[str, Side, Any]]:
        yield from ((name, "taken", kind) for name, kind in self.taken.items())
        yield from ((name, "given", kind) for name, kind in self.given.items())


CHANNELS: Mapping[str, Channel] = {
    "chat": Channel(
        "/ws",
        "chat.v1, as PROTOCOL.md describes it.",
        {
            "ask": commands.Ask,
            "resume": commands.Resume,
            "ack": commands.Ack,
            "stop": commands.Stop,
            "ping": commands.Ping,
        },
        {
            "welcome": events.Welcome,
            "accepted": events.Accepted,
            "chunk": frames.Chunk,
            "end": events.End,
            "resumed": events.Resumed,
            "pong": events.Pong,
            "draining": events.Draining,
            "error": events.Error,
        },
        events.SUBPROTOCOL,
    ),
    "aiSdk": Channel(
        "/ws/ai-sdk",
        "WebSocketChatTransport of npm `ai` 7.",
        {"send": frames.AiSdkSend, "resume": frames.AiSdkResume, "abort": frames.AiSdkAbort},
        {"chunk": frames.AiSdkChunk, "reply": ai_sdk.Reply, "refusal": events.Error},
    ),
}


def asyncapi() -> dict[str, Any]:
    """The document."""
    made, schemas = components(
        {
            (channel, name): (side, kind)
            for channel, described in CHANNELS.items()
            for name, side, kind in described.messages()
        }
    )
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "chatserver",
            "version": __version__,
            "description": "A chat backend whose answers cannot be lost. PROTOCOL.md says what the messages mean.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, described, made) for name, described in CHANNELS.items()},
        "operations": {
            **{f"{name}.receive": _operation("receive", name, each.taken) for name, each in CHANNELS.items()},
            **{f"{name}.send": _operation("send", name, each.given) for name, each in CHANNELS.items()},
        },
        "components": {"schemas": schemas},
    }


def _channel(name: str, described: Channel, made: Mapping[Hashable, Schema]) -> dict[str, Any]:
    return {
        "address": described.address,
        "description": described.about,
        "messages": {
            message: {"name": message, "payload": made[name, message]} for message, _, _ in described.messages()
        },
        "bindings": {"ws": {"method": "GET", **_headers(described.subprotocol)}},
    }


def _headers(subprotocol: str | None) -> dict[str, Any]:
    if subprotocol is None:
        return {}
    name = "Sec-WebSocket-Protocol"
    field = {"type": "string", "description": f"Holds `{subprotocol}`."}
    return {"headers": {"type": "object", "properties": {name: field}, "required": [name]}}


def _operation(action: str, channel: str, messages: Iterable[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"} for message in messages],
    }
