// One row: lists are cheaper to read than some thousand rows of their own. Titles are for an expansion's reasons.
RETURN total, [link IN found |
    [link.hop, link.source.key, link.target.key, link.kind, link.name, link.at, link.count, CASE WHEN $titled THEN link.source.title END]]
