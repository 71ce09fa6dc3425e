CREATE CONSTRAINT namespace_name IF NOT EXISTS
FOR (space:Namespace) REQUIRE space.name IS UNIQUE;

CREATE CONSTRAINT document_key IF NOT EXISTS
FOR (document:Document) REQUIRE (document.namespace, document.key) IS UNIQUE;

CREATE CONSTRAINT passage_key IF NOT EXISTS
FOR (passage:Passage) REQUIRE (passage.namespace, passage.key) IS UNIQUE;

CREATE CONSTRAINT entity_key IF NOT EXISTS
FOR (entity:Entity) REQUIRE (entity.namespace, entity.key) IS UNIQUE;

CREATE CONSTRAINT record_key IF NOT EXISTS
FOR (record:Record) REQUIRE (record.namespace, record.collection, record.key) IS UNIQUE;

CREATE INDEX record_collection IF NOT EXISTS
FOR (record:Record) ON (record.namespace, record.collection);

CREATE INDEX entity_namespace IF NOT EXISTS
FOR (entity:Entity) ON (entity.namespace);

// holds the names that are not settled, and no others
CREATE INDEX entity_unread IF NOT EXISTS
FOR (entity:Entity) ON (entity.namespace, entity.unread);

// `words` is folded as names are: an analyzer of Lucene's would part words elsewhere (`B.Reeves`, `it's`, `P_101`)
CREATE FULLTEXT INDEX passage_words IF NOT EXISTS
FOR (passage:Passage) ON EACH [passage.scope, passage.words]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace'}};
