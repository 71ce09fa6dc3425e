// Of these collections those that have no record any more, and what is known of their fields.
MATCH (space:Namespace {name: $namespace})
SET space.records = space.records + 1
WITH space
UNWIND $names AS name
MATCH (space)-[:HOLDS]->(collection:Collection {name: name})
WHERE NOT EXISTS {
    MATCH (record:Record {namespace: $namespace, collection: name})
    WHERE record.fields IS NOT NULL
}
DETACH DELETE collection
