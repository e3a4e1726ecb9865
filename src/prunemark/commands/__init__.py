"""Words that people and rules type.

Thin: every command calls one function of another room. May import every room but the Python interface; nothing
imports it.
"""
