// Those that were put; nodes that the graph alone knew go with them.
UNWIND $rows AS row
MATCH (record:Record {namespace: $namespace, collection: row.collection, key: row.key})
WITH record, row, record.fields IS NOT NULL AS there
DETACH DELETE record
WITH row, there
WHERE there
RETURN row.collection, row.key
