"""Pruning criteria: one module per name.

Contract. A module ``pruners/<name>.py`` has

``SETTINGS: dict``
    Its own settings with their defaults, a literal; ``LEAST``: the smallest values allowed.
``SCOPE: str``
    The scope (`prunemark.pruning.mask.SCOPES`) of its paper, which ``scope`` in params.yaml replaces; absent:
    ``global``.
``scores(encoder, batches, generator, **settings) -> dict[str, Tensor]``
    For every prunable weight (`prunemark.model.encoder.weights`: convolutions and linear layers, by type) a tensor of
    its shape, larger = keep. ``batches``: unlabelled training images and the encoder's own contrastive loss
    (`prunemark.pruning.batches`), for criteria that look at data; no labels exist at this point. The encoder is in
    evaluation mode and left untouched. The scores must not depend on the rate: so masks are nested across rates.

How a rate becomes a mask is shared by all criteria (`prunemark.pruning.mask`), and so is the schedule
(`prunemark.pruning.pruning_schedule`), so "90 %" means the same for all. Modules whose name begins with an underscore
are shared parts.
"""
