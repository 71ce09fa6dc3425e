// `fields` is JSON: names of fields are data, and keep their order.
MATCH (space:Namespace {name: $namespace})
SET space.records = space.records + 1
WITH space
UNWIND $rows AS row
MERGE (space)-[:HOLDS]->(collection:Collection {name: row.name})
ON CREATE SET collection.position = row.position
SET collection.fields = row.fields
