// Groups and aggregates of a checked plan. A row: the groups' values, then the aggregates; `length` characters of a time
// tell its day or month.
MATCH (record:Record {namespace: $namespace, collection: $collection})
WHERE record.fields IS NOT NULL AND all(condition IN $conditions WHERE coalesce(
    CASE condition.operator
        WHEN '=' THEN record[condition.property] = condition.value
        WHEN '!=' THEN record[condition.property] IS NULL OR record[condition.property] <> condition.value
        WHEN '<' THEN record[condition.property] < condition.value
        WHEN '<=' THEN record[condition.property] <= condition.value
        WHEN '>' THEN record[condition.property] > condition.value
        WHEN '>=' THEN record[condition.property] >= condition.value
        WHEN 'in' THEN record[condition.property] IN condition.value
        WHEN 'contains' THEN toLower(record[condition.property]) CONTAINS toLower(condition.value)
    END, false))
WITH record, [group IN $groups | CASE
    WHEN group.length > 0 AND record[group.property] IS NOT NULL
    THEN left(toString(datetime({epochSeconds: toInteger(record[group.property])})), group.length)
    WHEN group.length = 0 THEN record[group.property]
END] AS key
UNWIND range(0, size($aggregates) - 1) AS at
WITH key, at, record[$aggregates[at].property] AS value, $aggregates[at].property STARTS WITH 'text.' AS written
WITH key, at, count(*) AS records, count(value) AS values, min(value) AS least, max(value) AS most,
    sum(CASE WHEN written THEN null ELSE value END) AS sum, avg(CASE WHEN written THEN null ELSE value END) AS average
WITH key, at, CASE $aggregates[at].function
    WHEN 'count' THEN records
    WHEN 'sum' THEN CASE WHEN values > 0 THEN sum END
    WHEN 'avg' THEN average
    WHEN 'min' THEN least
    WHEN 'max' THEN most
END AS total
ORDER BY at
WITH key, collect([total]) AS totals
WITH key, key + [total IN totals | total[0]] AS row
WITH key, row, CASE WHEN $place >= 0 THEN row[$place] END AS place
ORDER BY place IS NULL, CASE WHEN $descending THEN place END DESC, CASE WHEN NOT $descending THEN place END, key
RETURN row
LIMIT $limit
