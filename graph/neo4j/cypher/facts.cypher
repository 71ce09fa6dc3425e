// Which of these passages' documents mention which other documents: first the ones among themselves.
MATCH (space:Namespace {name: $namespace})
CALL () {
    UNWIND range(0, size($passages) - 1) AS rank
    MATCH (passage:Passage {namespace: $namespace, key: $passages[rank]})-[:PART_OF]->(document:Document)
    RETURN collect({passage: passage, document: document, rank: rank}) AS seeds
}
WITH space, seeds, [seed IN seeds | seed.document] AS documents
UNWIND seeds AS seed
WITH space, documents, seed.passage AS passage, seed.document AS document, seed.rank AS rank
MATCH (passage)-[mention:MENTIONS]->(entity:Entity)-[:NAMES]->(object:Document)
WHERE object <> document
WITH documents, passage, document, rank, mention, entity, object, COUNT { (entity)<-[:MENTIONS]-() } AS df, space
WHERE df <= space.hub AND 7 * COUNT { (entity)<-[:PLAIN]-() } <= 3 * df
    AND (object IN documents OR COUNT { (entity)-[:NAMES]->() } = 1)
WITH document.title AS subject, object.title AS object, passage.key AS source, object IN documents AS inside, rank, df,
    mention.start AS at
ORDER BY inside DESC, rank, df, at
RETURN subject, object, source
