// These names are to be looked for again, whether anything is called so or not.
UNWIND $rows AS row
MATCH (entity:Entity {namespace: $namespace, key: row.entity})
SET entity.unread = coalesce(entity.unread, row.stamp)
