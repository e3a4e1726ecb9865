"""Encoder architectures: one module per name.

Contract. A module ``encoders/<architecture>.py`` has

``backbone(width: int, image_size: int) -> nn.Module``
    A network from normalised float images ``(N, 3, H, W)`` to features ``(N, d)``, with ``d`` as its attribute
    ``features``. Its initial values do not matter: whoever trains it draws them from an explicit generator
    (`prunemark.model.randomness.draw_parameters`).
``CHANNEL_GROUPS: list[list[int]]``, a literal
    The sizes of its groups of channels that go together (`prunemark.pruning.channels.Group`), in widths, by their
    structure.

Modules whose name begins with an underscore are shared parts, not names.
"""
