"""What users add, one file each, in a folder per kind.

Pure tensor code; datasets alone may read the disk. May import errors, metrics, pruning, marking and the model.
"""
