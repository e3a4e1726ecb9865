"""What watermark schemes share: the contract, keys, thresholds, views of a suspect, the trainer of marks.

Pure tensor code; may import the model.
"""
