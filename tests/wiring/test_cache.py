"""Which Redis the vectors of an embedding server go to: real servers, the real SDK."""

from pathlib import Path

from pydantic import SecretStr

from chatserver.guards.watch import Counts
from chatserver.settings import Embeddings, Model, Redis, Settings, Storage
from chatserver.wiring.embedder import open_embedder
from chatserver.wiring.upstreams import Upstreams
from tests.contracts.redis_server import redis_server
from tests.models.openai_server import openai_server


async def test_the_cache_has_a_redis_of_its_own_when_one_is_set(tmp_path: Path) -> None:
    """The answers' Redis gets the vectors only while there is no other."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    async with openai_server() as server:
        with redis_server(tmp_path / "a") as answers, redis_server(tmp_path / "b") as cache:
            for url, told in ((None, ("1", "0")), (SecretStr(cache.url), ("1", "1"))):
                settings = Settings(
                    storage=Storage(data_dir=tmp_path / "data"),
                    model=Model(base_url=server.url),
                    embeddings=Embeddings(name="e", dimension=8, cache_redis_url=url),
                    redis=Redis(url=SecretStr(answers.url)),
                )
                async with open_embedder(settings, Upstreams.guarded(settings, Counts())) as embedder:
                    await embedder.embed(["one text" if url is None else "another"])
                assert (answers.says("DBSIZE"), cache.says("DBSIZE")) == told
