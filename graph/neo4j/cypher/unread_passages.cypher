// Each name with what Lucene is to look for. A name in too many passages has none. Left out is what the name changes
// nothing for: passages that mention it and no name inside it, know it as an ordinary word, or belong to a document
// of this name; none, when nothing is called so any more.
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
WITH passage, entity, EXISTS { (entity)-[:NAMES]->() } OR EXISTS { (entity)-[:STANDS_IN]->() } AS called
WHERE NOT called OR NOT (
    EXISTS { (passage)-[:PLAIN]->(entity) }
    OR EXISTS { (passage)-[:PART_OF]->(:Document)<-[:NAMES]-(entity) }
    OR EXISTS { (passage)-[:MENTIONS]->(entity) } AND NOT EXISTS {
        MATCH (passage)-[:MENTIONS]->(inside:Entity)
        WHERE inside <> entity AND (' ' + entity.key + ' ') CONTAINS (' ' + inside.key + ' ')
    }
)
RETURN DISTINCT passage.key, passage.title, passage.text
