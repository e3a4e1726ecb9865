"""The encoder: how it is built, initialised and trained; randomness and hardware.

May import the registry and the errors.
"""
