MATCH (entity:Entity {namespace: $namespace})
WHERE EXISTS { (entity)-[:NAMES]->() } OR EXISTS { (entity)-[:STANDS_IN]->() }
RETURN entity.key
