// First in every transaction that writes: one at a time in a namespace, so that none meets another halfway. MERGE would
// take a lock on the index as well, and two writers could each wait for the other's.
MATCH (space:Namespace {name: $namespace})
SET space.change = space.change + 1
RETURN space.change
