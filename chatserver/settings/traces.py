"""The settings of traces."""

from pydantic import Field

from chatserver.settings.group import Group, HttpUrl


class Traces(Group):
    """Where an answer's time goes."""

    url: HttpUrl | None = Field(
        default=None,
        validation_alias="CHATSERVER_TRACES_URL",
        min_length=1,
        description="an OpenTelemetry collector's door for traces, usually `http://HOST:4318/v1/traces` (extra `otel`)",
    )
    share: float = Field(
        default=1.0,
        validation_alias="CHATSERVER_TRACES_SHARE",
        ge=0,
        le=1,
        description="of all answers, those that are traced",
    )
