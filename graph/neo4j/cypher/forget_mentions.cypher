// Of these passages; tells those that there are, and the entities that lost an edge.
UNWIND $passages AS key
MATCH (passage:Passage {namespace: $namespace, key: key})
CALL (passage) {
    OPTIONAL MATCH (passage)-[edge:MENTIONS|PLAIN]->(entity:Entity)
    WITH edge, entity.key AS entity
    DELETE edge
    RETURN collect(entity) AS entities
}
RETURN key, entities
