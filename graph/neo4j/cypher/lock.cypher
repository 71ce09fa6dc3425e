// First in every transaction that writes: one at a time in a namespace, so that none meets another halfway.
MERGE (space:Namespace {name: $namespace})
ON CREATE SET space.passages = 0, space.hub = $least, space.change = 0, space.records = 0
SET space.change = space.change + 1
RETURN space.change
