UNWIND $rows AS row
MERGE (document:Document {namespace: $namespace, key: row.key})
SET document.title = row.title
