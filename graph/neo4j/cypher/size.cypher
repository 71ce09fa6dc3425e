MATCH (space:Namespace {name: $namespace})
RETURN space.passages
