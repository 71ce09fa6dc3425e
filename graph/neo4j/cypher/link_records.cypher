// Makes the records; tells the entities that their old names were.
UNWIND $rows AS row
MERGE (record:Record {namespace: $namespace, collection: row.collection, key: row.key})
WITH record
CALL (record) {
    OPTIONAL MATCH (entity:Entity)-[edge:STANDS_IN]->(record)
    WITH edge, entity.key AS entity
    DELETE edge
    RETURN collect(entity) AS entities
}
UNWIND entities AS entity
RETURN DISTINCT entity
