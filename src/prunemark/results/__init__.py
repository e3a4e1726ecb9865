"""From scores to rows, summaries and landmarks; their columns and formulas. Pure functions; may import metrics
and points."""
