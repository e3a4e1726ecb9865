"""Words that people and rules type.

Thin: every command calls one function of another room. May import every room but the Python interface; nothing
imports it.
"""

import os

# Before NumPy and SciPy are imported: a build runs a step per core, and threads of BLAS would wait for each other.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
