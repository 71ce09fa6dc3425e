"""What every group of settings is, and the addresses that several of them hold."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr


def _url(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(f"should be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return url

    return AfterValidator(check)


def _redis_url(url: SecretStr | None) -> SecretStr | None:
    if url is not None and urlsplit(url.get_secret_value()).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("should be a URL that starts with redis:// or rediss:// or unix://")
    return url


RedisUrl = Annotated[SecretStr | None, AfterValidator(_redis_url)]
HttpUrl = Annotated[str, _url("http", "https")]
BoltUrl = Annotated[str, _url("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")]


class Group(BaseModel):
    """Frozen; an unknown name or a number that is not finite is a fault."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, allow_inf_nan=False
    )
