"""Watermark schemes and passive checks: one module per name.

Contract. A module ``watermarks/<name>.py`` has these literal constants

``ACTIVE: bool``      True: it changes the encoder (a name for ``watermarks``); False: a passive check (``checks``)
``KIND: str``         ``"fragile"``, ``"robust"``, ``"reversible"`` (fragile, and undone bit for bit) or ``"control"``
``LEVEL: str``        what it needs of a suspect: ``"WEIGHTS"``, ``"FEATURES"`` or ``"LABELS"``
``KEYED: bool``       whether another key makes another trial (sha256: no)
``WRONG_KEYS: int``   under how many wrong keys the marked encoder is tried when thresholds are frozen
``SETTINGS: dict``    its own settings with their defaults
``LEAST: dict``       the smallest values allowed of those that are numbers

and these functions (shapes and units as in `prunemark.watermark`)

``embed(encoder, key, images, generator, **settings) -> (encoder, Secret)``
    ``key``: 32 bytes. ``images``: uint8 (N, H, W, 3) of the key pool, never of the test set. Leaves its argument
    untouched; an active scheme returns a marked copy that lies on the 2^-24 grid, a passive one the encoder itself.
    Raises `PrunemarkError`, with the numbers, where the encoder cannot hold the mark.
``impostor(secret, key) -> Secret``
    What somebody with another key would hold in place of ``secret``.
``statistic(suspect, secret, batch=250) -> float``
    Larger means more surely "intact" (fragile) or "mine" (robust). Never raises for an altered suspect.
``calibrate(nulls, secret) -> Threshold``
    The threshold that is frozen before anything is pruned; a trial succeeds iff its statistic reaches it.
``restore(marked, secret) -> Encoder``
    Reversible schemes only: the encoder before embedding, bit for bit, from the marked one and the secret alone.
``bits(secret) -> int``
    Bit-string schemes only: the length of the string whose matches the statistic counts.

A module of KIND ``"control"`` has ``embed`` alone. Modules whose name begins with an underscore are shared parts.
"""
