"""Image sets: one module per name (``fashion-mnist-mini`` is the module ``fashion_mnist_mini``).

Contract. A module ``datasets/<name>.py`` has these literal constants

``SETTINGS: dict``    its own settings with their defaults (``None``: needed, a string); among them ``image_size``, the
                      side in pixels of the square images that `load` gives
``CREDIT: str``       who made the images, and where they are described
``LICENCE: str``      under which terms they may be used

and these functions, which get all settings by name

``obtain(folder: Path, **settings) -> dict[str, str]``
    Puts the raw data into the empty ``folder`` and returns {source: SHA-256}, each compared with its pin where it has
    one. Sources are tried in order; which of them served shows in no result. Writes nowhere else.
``load(raw: Path, split: str, **settings) -> (images, labels)``
    Of the folder that `obtain` filled: uint8 (N, H, W, 3) and int64 (N,), for ``split`` ``"train"`` or ``"test"``.
    Greyscale is repeated to three channels.
``classes(raw: Path, **settings) -> list[str]``
    The names of the classes; labels are positions in this list.

All raise `PrunemarkError` in one line: a wrong hash, a missing or truncated file, an archive that reaches outside its
folder. Nothing is ever unpickled. Modules whose name begins with an underscore are shared parts, not names.
"""
