"""The settings of how much one user may take."""

from pydantic import Field, model_validator

from chatserver.settings.group import Group


class Quotas(Group):
    """How much one user, one address and all together may take. On a server without logins, which serves its own
    machine, those of a user and an address hold where they are set."""

    max_connections: int = Field(
        default=20_000,
        validation_alias="CHATSERVER_MAX_CONNECTIONS",
        ge=1,
        description="WebSockets of one process; further ones are told when to come again",
    )
    max_requests: int = Field(
        default=500,
        validation_alias="CHATSERVER_MAX_REQUESTS",
        ge=1,
        description="HTTP requests under way in one process; further ones get 503 and when to come again",
    )
    user_connections: int = Field(
        default=50,
        validation_alias="CHATSERVER_USER_CONNECTIONS",
        ge=1,
        description="WebSockets of one user at a time, in one process",
    )
    user_questions: int = Field(
        default=30,
        validation_alias="CHATSERVER_USER_QUESTIONS_PER_MINUTE",
        ge=1,
        description="questions of one user in a minute",
    )
    user_requests: int = Field(
        default=600,
        validation_alias="CHATSERVER_USER_REQUESTS_PER_MINUTE",
        ge=1,
        description="HTTP requests of one user in a minute",
    )
    user_answers: int = Field(
        default=8,
        validation_alias="CHATSERVER_USER_ANSWERS",
        ge=1,
        description="answers of one user that one process tells at a time; further ones wait while others' go first",
    )
    user_ingest_mb: int = Field(
        default=1000,
        validation_alias="CHATSERVER_USER_INGEST_MB_PER_DAY",
        ge=1,
        description="megabytes that one user may ingest in a day",
    )
    user_spend: float | None = Field(
        default=None,
        validation_alias="CHATSERVER_USER_SPEND_PER_DAY",
        gt=0,
        description="what one user's answers may cost in a day, in the currency of the prices below",
    )
    input_price: float = Field(
        default=0.0,
        validation_alias="CHATSERVER_INPUT_PRICE",
        ge=0,
        description="price of a million tokens that the model reads",
    )
    output_price: float = Field(
        default=0.0,
        validation_alias="CHATSERVER_OUTPUT_PRICE",
        ge=0,
        description="price of a million tokens that it writes",
    )
    users_per_address: int = Field(
        default=10,
        validation_alias="CHATSERVER_USERS_PER_ADDRESS",
        ge=1,
        description="how many users' worth of each of these one address may take",
    )

    @model_validator(mode="after")
    def _spending_has_a_price(self) -> "Quotas":
        if self.user_spend is not None and not (self.input_price or self.output_price):
            raise ValueError("CHATSERVER_USER_SPEND_PER_DAY needs CHATSERVER_INPUT_PRICE or CHATSERVER_OUTPUT_PRICE")
        return self
