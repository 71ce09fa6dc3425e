"""From files to documents, vectors, graph and records."""
