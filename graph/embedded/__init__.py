"""The embedded default: the graph and the typed records in the SQLite file of the passages."""
