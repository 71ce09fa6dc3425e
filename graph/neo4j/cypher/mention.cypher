UNWIND $rows AS row
MATCH (passage:Passage {namespace: $namespace, key: row.passage})
MERGE (entity:Entity {namespace: $namespace, key: row.entity})
ON CREATE SET entity.name = row.name
MERGE (passage)-[mention:MENTIONS]->(entity)
SET mention.start = row.start, mention.end = row.end
