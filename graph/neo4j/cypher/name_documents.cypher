// A document's own spelling of its name wins. A name that nothing was called by has yet to be looked for.
UNWIND $rows AS row
MATCH (document:Document {namespace: $namespace, key: row.document})
MERGE (entity:Entity {namespace: $namespace, key: row.entity})
SET entity.name = row.name
FOREACH (_ IN CASE
        WHEN EXISTS { (entity)-[:NAMES]->() } OR EXISTS { (entity)-[:STANDS_IN]->() } THEN []
        ELSE [1]
    END | SET entity.unread = coalesce(entity.unread, row.stamp))
MERGE (entity)-[:NAMES]->(document)
