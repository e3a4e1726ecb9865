"""What pruning criteria share: scopes, schedules, masks, channels and their groups.

Pure tensor code; may import the model.
"""
