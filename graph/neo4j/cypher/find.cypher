// What a subgraph is asked around; the kinds in the order in which a bare name is taken for one.
UNWIND $wanted AS wanted
CALL (wanted) {
    WITH wanted
    WHERE wanted.kind = 'entity'
    MATCH (node:Entity {namespace: $namespace, key: wanted.key})
    RETURN node
  UNION ALL
    WITH wanted
    WHERE wanted.kind = 'document'
    MATCH (node:Document {namespace: $namespace, key: wanted.key})
    RETURN node
  UNION ALL
    WITH wanted
    WHERE wanted.kind = 'passage'
    MATCH (node:Passage {namespace: $namespace, key: wanted.key})
    RETURN node
  UNION ALL
    WITH wanted
    WHERE wanted.kind = 'record'
    UNWIND wanted.splits AS split
    MATCH (node:Record {namespace: $namespace, collection: split[0], key: split[1]})
    RETURN node
}
RETURN elementId(node), wanted.kind, node.key, node.collection, node.name, node.title, node.position
LIMIT 1
