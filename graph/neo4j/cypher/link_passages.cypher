// The document is part of what is merged: a passage id that another document has breaks its constraint.
UNWIND $rows AS row
MATCH (document:Document {namespace: $namespace, key: row.document})
MERGE (passage:Passage {namespace: $namespace, key: row.key, document: row.document})
SET passage.title = document.title, passage.position = row.position, passage.text = row.text,
    passage.words = row.words, passage.scope = $scope
MERGE (passage)-[:PART_OF]->(document)
FOREACH (_ IN CASE row.position WHEN 0 THEN [1] ELSE [] END | MERGE (document)-[:STARTS_WITH]->(passage))
