// `fields` is what was put, as JSON; the other properties are what conditions compare: `value.FIELD`, `time.FIELD`.
UNWIND $rows AS row
MERGE (record:Record {namespace: $namespace, collection: row.collection, key: row.key})
SET record = row.properties
