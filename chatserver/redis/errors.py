"""What a call to Redis may end with."""

from chatserver.answers.log import LogUnavailable


class RedisUnavailable(LogUnavailable):
    """There is no connection, or it was lost before the reply came: nobody knows whether the command was done."""


class RedisRefused(RedisUnavailable):
    """Redis has answered with an error; the text begins with its code."""
