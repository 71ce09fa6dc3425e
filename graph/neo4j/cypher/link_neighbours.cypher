UNWIND $rows AS row
MATCH (passage:Passage {namespace: $namespace, key: row.passage})
MATCH (next:Passage {namespace: $namespace, key: row.next})
MERGE (passage)-[:NEXT]->(next)
