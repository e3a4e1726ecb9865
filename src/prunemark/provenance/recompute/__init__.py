"""Every reported figure again, from what was kept of every sample, by other code than that which reported it.

Nothing here imports the modules that score, measure or report: the formulas are written down a second time, where there
is one by another library's routine. What both share is how files are read: arrays, tensors, masks and JSON.
"""
