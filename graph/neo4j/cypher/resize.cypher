MATCH (space:Namespace {name: $namespace})
SET space.passages = space.passages + $change
SET space.hub = CASE WHEN space.passages / $share > $least THEN space.passages / $share ELSE $least END
