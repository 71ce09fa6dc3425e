MATCH (entity:Entity)
WHERE entity.namespace = $namespace AND entity.unread > 0
RETURN entity.key
ORDER BY entity.unread
LIMIT $limit
