"""Is the graph where the settings say, and if not, what is to be done?"""

from chatserver.cli.errors import CommandError
from chatserver.settings import Settings
from chatserver.wiring import reach_graph
from retrieval.errors import DatabaseMissing, KeyRejected, Temporary


async def check_graph(settings: Settings) -> str:
    """Raises `CommandError`, and `RetrievalError` for what is none of the usual."""
    neo4j = settings.neo4j
    try:
        return await reach_graph(settings)
    except KeyRejected as error:
        said = f"{neo4j.uri} does not accept NEO4J_USERNAME ({neo4j.username}) and NEO4J_PASSWORD"
        raise CommandError(said, code=error.code) from None
    except DatabaseMissing as error:
        raise CommandError(
            f"{neo4j.uri} has no database {neo4j.database}; set NEO4J_DATABASE", code=error.code
        ) from None
    except Temporary as error:
        said = f"{neo4j.uri} does not answer; is Neo4j running there, and is NEO4J_URI right?"
        raise CommandError(said, code=error.code) from None
