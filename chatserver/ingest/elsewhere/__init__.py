"""A worker on another machine than the data directory that its job belongs to."""
