"""Alterations other than pruning, by which an encoder is changed after it was marked: one module per name.

Contract. A module ``alterations/<name>.py`` has these literal constants

``STRENGTHS: str``          one line: what the strength is, and which values are allowed
``LEAST_STRENGTH: float``   the smallest strength allowed
``MOST_STRENGTH: float``    the largest strength allowed
``WHOLE: bool``             whether a strength must be a whole number
``FALLING: bool``           whether a larger strength changes less
``SETTINGS: dict``          its own settings with their defaults
``LEAST: dict``             the smallest values allowed of those that are numbers
``METHODS: dict``           by setting the kind of method that it names and that ``alter`` loads (`prunemark.registry`);
                            may be absent

and the function (shapes as in `prunemark.marking.contract`)

``alter(encoder, strength, trainer, images, generator, **settings) -> Encoder``
    Leaves its argument untouched and returns an altered copy in evaluation mode, without gradients and of the same
    architecture, to which ``output_layer`` or ``activation_bits`` may be added. It need not lie on the 2^-24 grid:
    whoever alters an encoder does not care. ``images``: what the one who alters it has. ``trainer``: ``train(encoder,
    epochs, learning_rate) -> Encoder`` goes on with the encoder's own contrastive training, on a copy. The same
    generator gives the same bytes, and the draws do not depend on the strength.

A strength stands where a pruner has its rate, and is never 0. Modules whose name begins with an underscore are shared
parts.
"""
