"""What the written formats vouch for: the recorder of a step, the identity of code, the chain of hashes.

May import the plan, results, formats, the disk and the registry.
"""
