"""Connections to Redis, and to the masters of a cluster of it: what the answer log and the cache of vectors share."""
