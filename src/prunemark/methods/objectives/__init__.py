"""Contrastive objectives: one module per name.

Contract. A module ``objectives/<objective>.py`` has

``SETTINGS: dict``
    Its own settings with their defaults, a literal (params.yaml is checked against it without importing torch).
``VIEWS``
    The function ``(images uint8 (N, H, W, 3), generator) -> float (2N, 3, H, W)`` that draws its views.
``build(features: int, generator: torch.Generator, **settings) -> Objective``
    The trainable parts beside the encoder (projector, predictor, queue ...), as a module whose
    ``forward(encode, views)`` takes the encoder's forward function and a batch of two views
    ``(2N, 3, H, W)`` (view 1 of every image, then view 2) and returns a scalar loss; ``terms(encode, views)`` returns
    the loss of every view, (2N,), whose mean it is.

Modules whose name begins with an underscore are shared parts, not names.
"""
