"""Vectors that need not be computed twice: caches, and the embedder that looks into them first."""
