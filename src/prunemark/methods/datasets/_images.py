"""Images as arrays: three channels, square, of a stated side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from prunemark.errors import PrunemarkError

# What Pillow converts to three channels of 8 bits without a loss that a reader would have to know of. It reads colour
# of 16 bits a channel as RGB of the upper 8.
CONVERTED = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
UNSIGNED = ("I;16", "I;16L", "I;16B", "I;16N")


def check_size(image_size: int) -> None:
    """Refuse an impossible side.

    Raises:
        PrunemarkError: it is below 1.
    """
    if image_size < 1:
        raise PrunemarkError(f"image_size: {image_size} is not allowed: at least 1 pixel")


def square(image: Image.Image, image_size: int) -> Image.Image:
    """The shorter side scaled to ``image_size`` pixels (bilinear, antialiased), then the centre cropped.

    This is torchvision's ``Resize`` and ``CenterCrop`` in Pillow; an image of the wanted size comes back untouched.
    """
    width, height = image.size
    if (width, height) == (image_size, image_size):
        return image
    shorter = min(width, height)
    width, height = image_size * width // shorter, image_size * height // shorter
    left, top = round((width - image_size) / 2), round((height - image_size) / 2)
    scaled = image.resize((width, height), Image.Resampling.BILINEAR)
    return scaled.crop((left, top, left + image_size, top + image_size))


def decode(root: Path, files: Sequence[str], image_size: int, name: str) -> np.ndarray:
    """Decode image files to uint8 (N, image_size, image_size, 3); ``name`` stands for ``root`` in messages.

    Raises:
        PrunemarkError: a file that Pillow cannot read as an image, or not to its end, or whose values have no known
            scale.
    """
    check_size(image_size)
    images = np.empty((len(files), image_size, image_size, 3), np.uint8)
    for position, file in enumerate(tqdm(files, desc="decoding", unit="image", disable=None)):
        try:
            with Image.open(root / file) as image:
                images[position] = np.asarray(square(to_rgb(image), image_size))
        except PrunemarkError as error:
            raise PrunemarkError(f"{name}: {file}: {error}") from None
        except Exception as error:  # Pillow's decoders raise many types for a damaged file
            reason = str(error).replace(str(root / file), Path(file).name)
            raise PrunemarkError(f"{name}: {file} is no readable image ({reason})") from None
    return images


def to_rgb(image: Image.Image) -> Image.Image:
    """Three channels of 8 bits. Unsigned 16-bit greys are divided by 257, floats in [0, 1] multiplied by 255, both
    rounded to the nearest; Pillow would cut them off at 255.

    Raises:
        PrunemarkError: floats outside [0, 1], or another mode whose scale is not known.
    """
    if image.mode in CONVERTED:
        return image.convert("RGB")
    values = np.asarray(image)
    if image.mode in UNSIGNED:
        scaled = values / 257
    elif image.mode == "F":
        if not ((values >= 0) & (values <= 1)).all():
            raise PrunemarkError("its floats do not all lie in [0, 1], so their scale is not known; save it in 8 bits")
        scaled = values.astype(np.float64) * 255
    else:
        allowed = ", ".join((*CONVERTED, "I;16", "F"))
        raise PrunemarkError(f"mode {image.mode!r} is not allowed: one of {allowed}; save it as RGB of 8 bits")
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def fit(images: np.ndarray, image_size: int) -> np.ndarray:
    """Uint8 images (N, H, W) or (N, H, W, 3) as (N, image_size, image_size, 3), greyscale repeated."""
    check_size(image_size)
    if images.shape[1:3] != (image_size, image_size):
        images = np.stack([np.asarray(square(Image.fromarray(image), image_size)) for image in images])
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)
