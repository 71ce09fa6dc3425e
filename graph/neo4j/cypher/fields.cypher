MATCH (space:Namespace {name: $namespace})
OPTIONAL MATCH (space)-[:HOLDS]->(collection:Collection)
WITH space, collection
ORDER BY collection.position
RETURN space.records, collect([collection.name, collection.fields])
