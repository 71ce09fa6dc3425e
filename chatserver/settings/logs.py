"""The settings of the log."""

from pydantic import Field

from chatserver.settings.group import Group


class Logs(Group):
    """What is told on standard error."""

    questions: bool = Field(
        default=False,
        validation_alias="CHATSERVER_LOG_QUESTIONS",
        description="whether lines of an answer hold its question's text; else it is in none",
    )
