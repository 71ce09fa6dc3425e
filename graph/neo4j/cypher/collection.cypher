// How many records, and the distinct values of text fields, one more than `$few` at most.
CALL () {
    MATCH (record:Record {namespace: $namespace, collection: $collection})
    WHERE record.fields IS NOT NULL
    RETURN count(record) AS records
}
CALL () {
    UNWIND $properties AS property
    CALL (property) {
        MATCH (record:Record {namespace: $namespace, collection: $collection})
        WITH DISTINCT record[property] AS value
        WHERE value IS NOT NULL
        WITH value LIMIT $few + 1
        WITH value ORDER BY value
        RETURN collect(value) AS values
    }
    RETURN collect(values) AS values
}
RETURN records, values
