"""From params.yaml to steps: parameters, folders, steps and the grid.

May import pruning scopes, the disk, the registry and the errors; no PyTorch.
"""
