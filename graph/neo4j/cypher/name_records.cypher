UNWIND $rows AS row
MATCH (record:Record {namespace: $namespace, collection: row.collection, key: row.key})
MERGE (entity:Entity {namespace: $namespace, key: row.entity})
ON CREATE SET entity.name = row.name
FOREACH (_ IN CASE
        WHEN EXISTS { (entity)-[:NAMES]->() } OR EXISTS { (entity)-[:STANDS_IN]->() } THEN []
        ELSE [1]
    END | SET entity.unread = coalesce(entity.unread, row.stamp))
MERGE (entity)-[:STANDS_IN {field: row.field}]->(record)
