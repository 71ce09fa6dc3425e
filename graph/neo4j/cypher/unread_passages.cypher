// Each name with what Lucene is to look for. A name in too many passages has none.
MATCH (space:Namespace {name: $namespace})
UNWIND $rows AS row
CALL (space, row) {
    CALL db.index.fulltext.queryNodes('passage_words', row.search, {limit: space.hub + 1}) YIELD node
    RETURN collect(node) AS containing
}
WITH space, row, containing
WHERE size(containing) <= space.hub
UNWIND containing AS passage
MATCH (entity:Entity {namespace: $namespace, key: row.name})
WHERE NOT EXISTS { (passage)-[:MENTIONS|PLAIN]->(entity) }
    AND NOT EXISTS { (passage)-[:PART_OF]->(:Document)<-[:NAMES]-(entity) }
RETURN DISTINCT passage.key, passage.title, passage.text
