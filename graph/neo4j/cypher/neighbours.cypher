// The edges at some nodes, at most `$limit` of each sort (`branch`) at each node, in the order of the nodes given.
UNWIND range(0, size($frontier) - 1) AS at
MATCH (node) WHERE elementId(node) = $frontier[at]
CALL (node) {
    MATCH (node:Document)<-[:PART_OF]-(other:Passage)
    RETURN 0 AS branch, 'PART_OF' AS relation, false AS out, other, 'passage' AS kind, other.position AS place
    ORDER BY place LIMIT $limit
  UNION ALL
    MATCH (node:Passage)-[:PART_OF]->(other:Document)
    RETURN 1 AS branch, 'PART_OF' AS relation, true AS out, other, 'document' AS kind, 0 AS place
  UNION ALL
    MATCH (node:Passage)-[edge:NEXT]-(other:Passage)
    RETURN 2 AS branch, 'NEXT' AS relation, startNode(edge) = node AS out, other, 'passage' AS kind,
        other.position AS place
    LIMIT $limit
  UNION ALL
    MATCH (node:Passage)-[:MENTIONS]->(other:Entity)
    RETURN 3 AS branch, 'MENTIONS' AS relation, true AS out, other, 'entity' AS kind,
        COUNT { (other)<-[:MENTIONS]-() } AS place
    ORDER BY place, other.key LIMIT $limit
  UNION ALL
    MATCH (node:Entity)<-[:MENTIONS]-(other:Passage)
    RETURN 4 AS branch, 'MENTIONS' AS relation, false AS out, other, 'passage' AS kind, 0 AS place
    LIMIT $limit
  UNION ALL
    MATCH (node:Entity)-[:NAMES]->(other:Document)
    RETURN 5 AS branch, 'NAMES' AS relation, true AS out, other, 'document' AS kind, 0 AS place
    LIMIT $limit
  UNION ALL
    MATCH (node:Document)<-[:NAMES]-(other:Entity)
    RETURN 6 AS branch, 'NAMES' AS relation, false AS out, other, 'entity' AS kind, 0 AS place
    LIMIT $limit
  UNION ALL
    MATCH (node:Entity)-[edge:STANDS_IN]->(other:Record)
    RETURN 7 AS branch, edge.field AS relation, true AS out, other, 'record' AS kind, 0 AS place
    LIMIT $limit
  UNION ALL
    MATCH (node:Record)<-[edge:STANDS_IN]-(other:Entity)
    RETURN 8 AS branch, edge.field AS relation, false AS out, other, 'entity' AS kind, 0 AS place
    LIMIT $limit
}
WITH at, branch, place, relation, out, other, kind
ORDER BY at, branch, place, other.key
RETURN at, branch, relation, out, elementId(other), kind, other.key, other.collection, other.name, other.title, other.position
