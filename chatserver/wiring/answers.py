"""Where answers are kept."""

from chatserver.answers.log import AnswerLog
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_index import Retention
from chatserver.answers.redis_report import describe
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.settings import Settings


async def open_answers(settings: Settings) -> AnswerLog:
    """The answer log alone: on Redis when one is set, else in the data directory. Raises `LogUnavailable`,
    `NewerData`."""
    url = settings.redis.url
    if url is not None:
        retention = Retention(settings.redis.keep_days * 86_400, settings.redis.keep_answers)
        return await RedisAnswerLog.open(url.get_secret_value(), retention=retention)
    keep_s = settings.storage.keep_days * 86_400
    return await SqliteAnswerLog.open(settings.storage.data_dir / "answers.db", keep_s=keep_s)


async def reach_answers(settings: Settings) -> str:
    """Where answers are kept, in a line for a person. Raises `LogError`."""
    url = settings.redis.url
    return "in the data directory" if url is None else await describe(url.get_secret_value())
