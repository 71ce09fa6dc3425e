// Tells the entities that the names of these records were. A record that was never put is only known here, and goes.
UNWIND $rows AS row
MATCH (record:Record {namespace: $namespace, collection: row.collection, key: row.key})
CALL (record) {
    OPTIONAL MATCH (entity:Entity)-[edge:STANDS_IN]->(record)
    WITH edge, entity.key AS entity
    DELETE edge
    RETURN collect(entity) AS entities
}
FOREACH (_ IN CASE WHEN record.fields IS NULL THEN [1] ELSE [] END | DELETE record)
WITH entities
UNWIND entities AS entity
RETURN DISTINCT entity
