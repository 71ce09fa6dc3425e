UNWIND $names AS name
MATCH (entity:Entity {namespace: $namespace, key: name})
REMOVE entity.unread
