"""Retrieval-augmented chat whose answers cannot be lost."""

__version__ = "0.1.0"
