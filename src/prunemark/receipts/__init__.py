"""The written formats and what they vouch for: receipts, journals, the identity of code, the chain of hashes.

May import the plan, results, the disk and the registry.
"""
