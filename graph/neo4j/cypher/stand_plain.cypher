// An ordinary word is told of entities that there are; it makes none.
UNWIND $rows AS row
MATCH (passage:Passage {namespace: $namespace, key: row.passage})
MATCH (entity:Entity {namespace: $namespace, key: row.entity})
MERGE (passage)-[:PLAIN]->(entity)
