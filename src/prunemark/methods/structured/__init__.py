"""Structured pruning criteria, which rank channels: one module per name.

Contract. A module ``structured/<name>.py`` has

``SETTINGS: dict``
    Its own settings with their defaults, a literal; ``LEAST``: the smallest values allowed.
``SCOPE: str``
    The scope (`prunemark.pruning.scopes.CHANNEL_SCOPES`) of its paper, which ``scope`` in params.yaml replaces.
``scores(encoder, groups, batches, generator, **settings) -> dict[str, Tensor]``
    For every group of channels that go together (`prunemark.pruning.channels.Group`), by its name, a score per channel,
    (size,), larger = keep. The rest is as for criteria of weights (`prunemark.methods.pruners`).

Which channels go at a rate, and the smaller encoder without them, are shared by all (`prunemark.pruning.channels`).
Modules whose name begins with an underscore are shared parts.
"""
