// One row: lists are cheaper to read than some thousand rows of their own.
RETURN total, [link IN found |
    [link.hop, link.source.key, link.target.key, link.kind, link.name, link.at, link.count, link.source.title]]
