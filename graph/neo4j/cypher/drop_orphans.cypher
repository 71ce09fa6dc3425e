UNWIND $entities AS key
MATCH (entity:Entity {namespace: $namespace, key: key})
WHERE NOT EXISTS { (entity)--() }
DELETE entity
