"""Pruning criteria: one module per name.

Contract. A module ``pruners/<name>.py`` has

``SETTINGS: dict``
    Its own settings with their defaults, a literal.
``scores(encoder, images, generator, **settings) -> dict[str, Tensor]``
    For every prunable weight (`prunemark.encoder.weights`: convolutions and linear layers, by type) a tensor of its
    shape, larger = keep. ``images``: uint8 (N, H, W, 3) of the key pool, for criteria that look at data. The scores
    must not depend on the rate: so masks are nested across rates.

How a rate becomes a mask is shared by all criteria (`prunemark.mask`), so "90 %" means the same for all.
"""
