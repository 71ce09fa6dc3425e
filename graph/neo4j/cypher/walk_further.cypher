CALL (latest) {
    UNWIND latest AS link
    RETURN collect(DISTINCT link.target) AS frontier
}
WITH total, hub, near, hop + 1 AS hop, frontier, [] AS pending, found
