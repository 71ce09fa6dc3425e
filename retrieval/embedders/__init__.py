"""Implementations of the `Embedder` port, one file each; import the one that is configured."""
