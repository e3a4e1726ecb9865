"""The only code that opens a file: bytes, JSON, YAML, tensors, and what git holds.

May import the model, the registry and the errors.
"""
