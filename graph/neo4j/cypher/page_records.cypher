MATCH (record:Record {namespace: $namespace, collection: $collection})
WHERE record.key > $after AND record.fields IS NOT NULL
RETURN record.key, record.fields
ORDER BY record.key LIMIT $limit
