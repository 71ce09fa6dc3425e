CALL (frontier, hub, near, hop) {
    CALL (frontier, hub, near) {
        UNWIND frontier AS source
        MATCH (source)-[mention:MENTIONS]->(entity:Entity)
        WHERE EXISTS { (entity)-[:NAMES]->() }
        WITH source, mention, entity, COUNT { (entity)<-[:MENTIONS]-() } AS df,
            COUNT { (entity)<-[:PLAIN]-() } AS plain, hub
        WHERE df <= hub AND 7 * plain <= 3 * df
        MATCH (entity)-[:NAMES]->(:Document)-[:STARTS_WITH]->(target:Passage)
        WHERE target <> source
        RETURN source, target, 'title' AS kind, entity.name AS name, mention.start AS at,
            COUNT { (entity)-[:NAMES]->() } AS count
      UNION ALL
        UNWIND frontier AS source
        MATCH (source)-[:PART_OF]->(:Document)<-[:NAMES]-(entity:Entity)
        WITH source, entity, COUNT { (entity)<-[:MENTIONS]-() } AS df, COUNT { (entity)<-[:PLAIN]-() } AS plain, near
        WHERE df <= near AND 7 * plain <= 3 * df
        MATCH (entity)<-[mention:MENTIONS]-(target:Passage)
        RETURN source, target, 'mentioned' AS kind, entity.name AS name, mention.start AS at, df AS count
      UNION ALL
        UNWIND frontier AS source
        MATCH (source)-[edge:NEXT]-(target:Passage)
        RETURN source, target, CASE startNode(edge) WHEN source THEN 'next' ELSE 'previous' END AS kind, '' AS name,
            -1 AS at, 1 AS count
      UNION ALL
        UNWIND frontier AS source
        MATCH (source)-[mention:MENTIONS]->(entity:Entity)
        WITH source, mention, entity, COUNT { (entity)<-[:MENTIONS]-() } AS df,
            COUNT { (entity)<-[:PLAIN]-() } AS plain, hub, near
        WHERE 1 < df <= near AND df <= hub AND 7 * plain <= 3 * df
        WITH source, mention, entity, df
        ORDER BY df
        MATCH (entity)<-[:MENTIONS]-(target:Passage)
        WHERE target <> source
        RETURN source, target, 'shared' AS kind, entity.name AS name, mention.start AS at, df AS count
    }
    WITH {hop: hop, source: source, target: target, kind: kind, name: name, at: at, count: count} AS link
    LIMIT $rows
    RETURN collect(link) AS links
}
WITH total, hub, near, hop, pending + links AS latest, found + links AS found
