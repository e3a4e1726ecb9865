"""The files that steps write for others to read, a model each, published as JSON schemas under docs/schemas.

May import the disk and the one exception.
"""
