"""Runs Snakemake, DVC and MLflow, and the fork server; sweeps and locks.

It makes no number. May import receipts, the plan and what lies below; no PyTorch.
"""
