// The walk: `frontier` are the passages to go on from, `found` the links so far, `pending` the links from the
// entities asked for. What stands as an ordinary word in more than three of ten passages is no link, nor is what more
// passages than the hub limit mention; a document called so is found all the same. Rare names first, so that a cut at
// `$rows` costs the ones that tell least.
MATCH (space:Namespace {name: $namespace})
WITH space.passages AS total, space.hub AS hub, coalesce($near, space.hub) AS near
CALL () {
    UNWIND $passages AS key
    MATCH (passage:Passage {namespace: $namespace, key: key})
    RETURN collect(passage) AS frontier
}
CALL (hub) {
    UNWIND $entities AS key
    MATCH (entity:Entity {namespace: $namespace, key: key})
    WITH entity, COUNT { (entity)<-[:MENTIONS]-() } AS df, COUNT { (entity)<-[:PLAIN]-() } AS plain, hub
    WHERE 7 * plain <= 3 * CASE df WHEN 0 THEN 1 ELSE df END
    CALL (entity, df, hub) {
        MATCH (entity)-[:NAMES]->(:Document)-[:STARTS_WITH]->(target:Passage)
        RETURN target, 'title' AS kind, COUNT { (entity)-[:NAMES]->() } AS count
      UNION ALL
        WITH entity, df, hub
        WHERE df <= hub
        MATCH (entity)<-[:MENTIONS]-(target:Passage)
        RETURN target, 'mentions' AS kind, df AS count
    }
    WITH {hop: 1, target: target, kind: kind, name: entity.name, at: -1, count: count} AS link
    LIMIT $rows
    RETURN collect(link) AS pending
}
WITH total, hub, near, frontier, pending, pending AS found, 1 AS hop
