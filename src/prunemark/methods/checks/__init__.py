"""Passive checks, which leave the encoder as it is: one module per name.

Contract. The constants are those of `prunemark.methods.watermarks`, where KIND is ``"fragile"`` (is it intact?) or
``"robust"`` (is it mine?), and so are ``impostor``, ``measure`` and ``calibrate``. In place of ``embed`` there is

``register(encoder, logits, key, images, generator, **settings) -> Secret``
    ``logits``: from features (N, d) to class scores (N, classes), the owner's downstream head, differentiable.
    Raises `PrunemarkError`, with the numbers, where the encoder gives nothing to register.

Whoever can query an encoder can register it, so the forger of a robust check is ``register`` itself.
"""
