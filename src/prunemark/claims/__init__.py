"""Sentences about the results, each with a predicate over their rows that a machine decides: supported, refuted or not
decidable. Pure functions of claims.yaml, the results table and the params."""
