MERGE (space:Namespace {name: $namespace})
ON CREATE SET space.passages = 0, space.hub = $least, space.change = 0, space.records = 0
