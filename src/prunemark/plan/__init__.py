"""From params.yaml to steps: parameters, folders, steps and the grid.

May import requests, pruning scopes, the disk, points, the registry and the errors; no PyTorch.
"""
