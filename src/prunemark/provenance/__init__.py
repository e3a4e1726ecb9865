"""Where a number comes from, and whether everything under data/ is accounted for."""
