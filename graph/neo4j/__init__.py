"""The graph and the typed records in Neo4j (extra `neo4j`)."""
