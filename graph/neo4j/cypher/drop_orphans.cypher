UNWIND $entities AS key
MATCH (entity:Entity {namespace: $namespace, key: key})
WHERE NOT EXISTS { (entity)--() } AND entity.unread IS NULL
DELETE entity
