"""Watermark schemes, which change the encoder: one module per name. Passive schemes are in `prunemark.methods.checks`.

Contract. A module ``watermarks/<name>.py`` has these literal constants

``KIND: str``         ``"fragile"``, ``"robust"``, ``"reversible"`` (fragile, and undone bit for bit) or ``"control"``
``LEVEL: str``        what it sees of a suspect (`prunemark.marking.suspect_views`): ``"WEIGHTS"``, ``"FEATURES"`` or
                      ``"LABELS"``
``KEYED: bool``       whether another key makes another trial
``WRONG_KEYS: int``   under how many wrong keys the marked encoder is tried when thresholds are frozen
``SETTINGS: dict``    its own settings with their defaults; ``steps`` or ``epochs`` of 0, where it learns, embed nothing
``LEAST: dict``       the smallest values allowed of those that are numbers
``MOST: dict``        the largest ones, where there is a natural end; may be absent

and these functions (shapes and units as in `prunemark.marking.contract`)

``embed(encoder, key, images, generator, **settings) -> (encoder, Secret)``
    ``key``: 32 bytes. Leaves its argument untouched and returns a marked copy that lies on the 2^-24 grid. Schemes that
    learn do so by `prunemark.marking.mark_trainer`, and by nothing else.
    Raises `PrunemarkError`, with the numbers, where the encoder cannot hold the mark. What only labels tell is known
    after calibration: there a mark may turn out not to have taken, and its success at rate 0 says so.
``impostor(secret, key) -> Secret``
    What somebody with another key would hold in place of ``secret``.
``measure(suspect, secret) -> Reading``
    ``suspect``: an `Encoder` at level WEIGHTS, else a function that answers uint8 images (N, H, W, 3) with features
    (N, d) or classes (N,). A larger statistic means more surely "intact" (fragile) or "mine" (robust). Never raises
    for an altered suspect.
``calibrate(nulls, secret) -> Threshold``
    The threshold that is frozen before anything is pruned; a trial succeeds iff its statistic reaches it.
``forge(encoder, key, images, generator, **settings) -> Secret``
    Robust schemes: a secret that somebody fits afterwards, with a budget like embedding's, to an encoder that carries
    no mark. What this fools is refused by a commitment to the key made before release, and by nothing else; what it
    does not fool may fall to a larger budget.
``restore(marked, secret) -> Encoder``
    Reversible schemes: the encoder before embedding, bit for bit, from the marked one and the secret alone.

A module of KIND ``"control"`` has ``embed`` alone. Modules whose name begins with an underscore are shared parts.
"""
