// Of these names those that nothing is called by any more are to be looked for again.
UNWIND $rows AS row
MATCH (entity:Entity {namespace: $namespace, key: row.entity})
WHERE NOT EXISTS { (entity)-[:NAMES]->() } AND NOT EXISTS { (entity)-[:STANDS_IN]->() }
SET entity.unread = coalesce(entity.unread, row.stamp)
