// A checked plan is all parameters: properties, operators and values. `text` compares what is written, whatever its type.
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
WITH record, record[$sort] AS place
ORDER BY place IS NULL, CASE WHEN $descending THEN place END DESC, CASE WHEN NOT $descending THEN place END,
    record.key
RETURN record.key, record.fields
LIMIT $limit
