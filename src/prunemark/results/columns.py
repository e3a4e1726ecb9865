"""The columns of results.csv that name a cell, in the order of the paths under data/scores."""

CELL = ("dataset", "encoder", "seed", "watermark", "key", "pruner", "rate", "probe_dataset")
