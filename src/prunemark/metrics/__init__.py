"""Measures: tensors and counts in, numbers out. One family per file, each with its source."""
