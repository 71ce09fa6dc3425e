UNWIND range(0, size($names) - 1) AS at
MATCH (entity:Entity {namespace: $namespace, key: $names[at]})
RETURN entity.key, entity.name, EXISTS { (entity)-[:NAMES]->() }, EXISTS { (entity)-[:STANDS_IN]->() }
ORDER BY at
