"""The tables of embedded retrieval. A passage's key is also its row in the full-text table."""

DOCUMENTS = (
    """CREATE TABLE documents (
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        title TEXT NOT NULL,
        metadata TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        PRIMARY KEY (namespace, id)
    ) WITHOUT ROWID""",
    """CREATE TABLE passages (
        key INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        document TEXT NOT NULL,
        title TEXT NOT NULL,
        text TEXT NOT NULL,
        position INTEGER NOT NULL,
        start_at INTEGER NOT NULL,
        end_at INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        UNIQUE (namespace, id)
    )""",
    "CREATE INDEX passages_by_document ON passages (namespace, document)",
    # Title and body hold stems, parted by spaces; `scope` holds one word that stands for the namespace.
    "CREATE VIRTUAL TABLE keywords USING fts5(scope, title, body, tokenize = 'unicode61')",
)

TERMS = ("CREATE VIRTUAL TABLE keyword_terms USING fts5vocab(keywords, row)",)  # in how many passages a stem stands

GRAMS = (
    # Of Dutch passages only; a row has its passage's key.
    "CREATE VIRTUAL TABLE keyword_grams USING fts5(scope, grams, tokenize = 'unicode61')",
    "CREATE VIRTUAL TABLE keyword_gram_terms USING fts5vocab(keyword_grams, row)",
)

COUNTS = (  # a full-text index tells how many passages it has only by reading all of a word that each of them has
    "CREATE TABLE passage_counts (namespace TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO passage_counts SELECT namespace, count(*) FROM passages GROUP BY namespace",
    """CREATE TRIGGER passage_came AFTER INSERT ON passages BEGIN
        INSERT INTO passage_counts VALUES (new.namespace, 1)
        ON CONFLICT (namespace) DO UPDATE SET passages = passages + 1;
    END""",
    """CREATE TRIGGER passage_went AFTER DELETE ON passages BEGIN
        UPDATE passage_counts SET passages = passages - 1 WHERE namespace = old.namespace;
    END""",
)

LEFT = (
    # Passages that are no more, whose vectors may still be there: in another store, a crash may lie between the two.
    """CREATE TABLE left_passages (
        namespace TEXT NOT NULL, passage TEXT NOT NULL, PRIMARY KEY (namespace, passage)) WITHOUT ROWID""",
)

VECTORS = (
    # A deleted vector stays as NULL, so that other processes learn of it: `change` only grows.
    """CREATE TABLE vectors (
        namespace TEXT NOT NULL,
        passage TEXT NOT NULL,
        change INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        vector BLOB,
        PRIMARY KEY (namespace, passage)
    ) WITHOUT ROWID""",
    "CREATE INDEX vectors_by_change ON vectors (namespace, change)",
)

# Which embedder made the vectors: one for the whole file. In files older than this table it was the only one there was.
SPACE = (
    """CREATE TABLE vector_space (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        name TEXT NOT NULL,
        dimension INTEGER NOT NULL
    )""",
    """INSERT INTO vector_space
        SELECT 1, 'wordllama-l2-supercat-256', length(vector) / 2 FROM vectors WHERE vector IS NOT NULL LIMIT 1""",
)

STAGING = (
    # Of which `change` of a vector this is the successor; a passage that is no more has none (NULL).
    """CREATE TABLE staged_vectors (
        namespace TEXT NOT NULL,
        passage TEXT NOT NULL,
        change INTEGER NOT NULL,
        vector BLOB,
        PRIMARY KEY (namespace, passage)
    ) WITHOUT ROWID""",
    """CREATE TABLE staged_space (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        name TEXT NOT NULL,
        dimension INTEGER NOT NULL
    )""",
)
