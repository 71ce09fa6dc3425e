"""The embedded default: everything in SQLite files of one data directory."""
