"""The settings of an answer, from its question to the client: a class a part, a field a setting, with its name and its
meaning."""

from pydantic import Field

from chatserver.settings.group import Group


class Generation(Group):
    """How long answers may take, and who may take them over."""

    answer_timeout_s: float = Field(
        default=120.0,
        validation_alias="CHATSERVER_ANSWER_TIMEOUT_S",
        gt=0,
        description="an answer that takes longer is sealed as failed, its text kept; counted anew after a takeover",
    )
    lease_s: float = Field(
        default=5.0,
        validation_alias="CHATSERVER_LEASE_S",
        gt=0,
        description="an owner silent for this long loses its answer to another process",
    )
    drain_s: float = Field(
        default=25.0,
        validation_alias="CHATSERVER_DRAIN_S",
        ge=0,
        description="how long a stopping server lets running answers finish",
    )
    max_answers: int = Field(
        default=256,
        validation_alias="CHATSERVER_MAX_ANSWERS",
        ge=1,
        description="answers that one process tells at the same time; further ones wait, or another process takes them",
    )
    history_turns: int = Field(
        default=6,
        validation_alias="CHATSERVER_HISTORY_TURNS",
        ge=0,
        le=100,
        description="earlier turns of the chat that a question is read with",
    )


class Delivery(Group):
    """What a client may send, and how long it may be slow."""

    heartbeat_s: float = Field(
        default=20.0,
        validation_alias="CHATSERVER_HEARTBEAT_S",
        gt=0,
        description="how often a client should send ping",
    )
    max_message_bytes: int = Field(
        default=256 * 1024,
        validation_alias="CHATSERVER_MAX_MESSAGE_BYTES",
        ge=1024,
        description="a longer command gets an error",
    )
    max_question_chars: int = Field(
        default=16_000,
        validation_alias="CHATSERVER_MAX_QUESTION_CHARS",
        ge=1,
        description="a longer question gets an error",
    )
    stall_s: float = Field(
        default=10.0,
        validation_alias="CHATSERVER_STALL_S",
        gt=0,
        description="how long one send may wait for a client before it counts as too slow",
    )


class Retrieval(Group):
    """How much is read for an answer, and how long that may take."""

    deadline_s: float = Field(
        default=5.0,
        validation_alias="CHATSERVER_RETRIEVAL_DEADLINE_S",
        gt=0,
        description="a retrieval leg that takes longer is left out of the answer",
    )
    top_k: int = Field(
        default=8,
        validation_alias="CHATSERVER_TOP_K",
        ge=1,
        le=100,
        description="passages that an answer is written from",
    )


class Upstreams(Group):
    """How often an upstream (embeddings, vectors, graph, model) is tried, and when it is left alone."""

    attempts: int = Field(
        default=3,
        validation_alias="CHATSERVER_ATTEMPTS",
        ge=1,
        le=10,
        description="calls in all to an upstream that fails for a passing reason, with growing waits between them",
    )
    breaker_failures: int = Field(
        default=5,
        validation_alias="CHATSERVER_BREAKER_FAILURES",
        ge=1,
        description="failures in a row after which an upstream is left alone",
    )
    breaker_open_s: float = Field(
        default=60.0,
        validation_alias="CHATSERVER_BREAKER_OPEN_S",
        gt=0,
        description="for how long; then one call probes it",
    )


class Prompt(Group):
    """What a language model is given to read; an extractive answer has no prompt."""

    context_tokens: int = Field(
        default=12_000,
        validation_alias="CHATSERVER_CONTEXT_TOKENS",
        ge=500,
        description="tokens of sources in a prompt; the lowest-ranked are left out first",
    )
    history_tokens: int = Field(
        default=4_000,
        validation_alias="CHATSERVER_HISTORY_TOKENS",
        ge=0,
        description="tokens of earlier turns in a prompt; the oldest are left out first",
    )
