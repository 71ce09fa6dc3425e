"""Delivery: connections that tail answers. They never know a model."""
