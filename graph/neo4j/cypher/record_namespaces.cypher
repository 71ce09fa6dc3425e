MATCH (space:Namespace)
WHERE EXISTS { (space)-[:HOLDS]->() }
RETURN space.name
ORDER BY space.name
