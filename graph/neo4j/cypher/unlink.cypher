// Removes documents; tells how many passages went, the entities that they mentioned, and the names they had.
UNWIND $documents AS key
MATCH (document:Document {namespace: $namespace, key: key})
CALL (document) {
    OPTIONAL MATCH (passage:Passage)-[:PART_OF]->(document)
    OPTIONAL MATCH (passage)-[:MENTIONS|PLAIN]->(entity:Entity)
    RETURN collect(DISTINCT passage) AS passages, collect(DISTINCT entity.key) AS mentioned
}
CALL (document) {
    OPTIONAL MATCH (entity:Entity)-[:NAMES]->(document)
    RETURN collect(entity.key) AS names
}
FOREACH (passage IN passages | DETACH DELETE passage)
DETACH DELETE document
RETURN size(passages), mentioned, names
