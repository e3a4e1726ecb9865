"""Any images in the ImageNet layout, a directory or a tar or zip archive of it: how ImageNet itself is brought in.

``train/<class>/*`` and either ``val/<class>/*`` or ``test/<class>/*``, at the top or inside one single top folder.
The order of images is that of class names, then of file names. ``train_per_class`` and ``test_per_class`` take the
first so many files of each class by name; 0 takes all.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import _archives, _images, _sources

SETTINGS = {"path": None, "image_size": 32, "sha256": "", "train_per_class": 0, "test_per_class": 0}
LEAST = {"image_size": 8, "train_per_class": 0, "test_per_class": 0}
CREDIT = "images of the user's own directory or archive"
LICENCE = "that of the images; not known to prunemark"

TRAIN = "train"
TESTS = ("val", "test")
LINK = "source"


def obtain(
    folder: Path, path: str, image_size: int, sha256: str, train_per_class: int = 0, test_per_class: int = 0
) -> dict[str, str]:
    """The archive's content into ``folder``, or a link to the directory (ImageNet is not copied).

    The hash of a directory is that of a listing, in order, of its images: ``<sha256>  <relative path>`` and a newline
    each, as ``sha256sum`` prints them. ``sha256`` pins either; ``""`` pins nothing.
    """
    _images.check_size(image_size)
    source = Path(path)
    if source.is_dir():
        (folder / LINK).symlink_to(source.resolve(), target_is_directory=True)
        found = listing_hash(folder, path)
    else:
        found = _sources.sha256_file(source)
    if sha256:
        _sources.verify(found, sha256, path)
    if not source.is_dir():
        _archives.extract(source, folder)
    return {source.resolve().name: found}


def load(
    raw: Path, split: str, path: str, image_size: int, sha256: str, train_per_class: int = 0, test_per_class: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, image_size, image_size, 3) and labels int64 (N,) of ``"train"`` or ``"test"``."""
    root = layout(raw, path)
    folder = TRAIN if split == TRAIN else evaluation_folder(root, path)
    names, most = classes(raw, path, image_size, sha256), train_per_class if split == TRAIN else test_per_class
    files = {name: found[: most or None] for name, found in class_files(root, folder, path).items()}
    listed = [f"{folder}/{name}/{file}" for name in names for file in files[name]]
    labels = np.repeat(np.arange(len(names), dtype=np.int64), [len(files[name]) for name in names])
    return _images.decode(root, listed, image_size, path), labels


def classes(
    raw: Path, path: str, image_size: int, sha256: str, train_per_class: int = 0, test_per_class: int = 0
) -> list[str]:
    """The names of the folders in ``train``, sorted; the test folder must have the same."""
    root = layout(raw, path)
    test = evaluation_folder(root, path)
    trained, tested = set(class_files(root, TRAIN, path)), set(class_files(root, test, path))
    odd = sorted(trained ^ tested)
    if odd:
        has, lacks = (TRAIN, test) if odd[0] in trained else (test, TRAIN)
        raise PrunemarkError(f"{path}: class {odd[0]!r} is in {has} but not in {lacks}; both need the same classes")
    return sorted(trained)


def layout(raw: Path, path: str) -> Path:
    """The folder that holds ``train``: the raw one, or the only one inside it.

    Raises:
        PrunemarkError: neither holds it.
    """
    root = raw
    while not (root / TRAIN).is_dir():
        inside = list(root.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            raise PrunemarkError(f"{path}: has no folder train; needed: train/<class>/* and val|test/<class>/*")
        root = inside[0]
    return root


def evaluation_folder(root: Path, path: str) -> str:
    """Which of ``val`` and ``test`` is there.

    Raises:
        PrunemarkError: neither, or both, since which one is meant cannot be known.
    """
    present = [name for name in TESTS if (root / name).is_dir()]
    if len(present) != 1:
        raise PrunemarkError(f"{path}: has {' and '.join(present) or 'neither val nor test'} beside train; needed: one")
    return present[0]


def class_files(root: Path, folder: str, path: str) -> dict[str, list[str]]:
    """The file names of each class, sorted, by the class's name.

    Raises:
        PrunemarkError: something that is no class folder, a folder inside a class, or a class without a file.
    """
    found = {}
    for entry in sorted((root / folder).iterdir()):
        if not entry.is_dir():
            raise PrunemarkError(f"{path}: {folder}/{entry.name} is no folder; allowed: one folder per class")
        with os.scandir(entry) as inside:
            kinds = {item.name: item.is_file() for item in inside}
        strange = [name for name, is_file in kinds.items() if not is_file]
        if strange or not kinds:
            what = f"{entry.name}/{min(strange)} is no file" if strange else f"{entry.name} is empty"
            raise PrunemarkError(f"{path}: {folder}/{what}; allowed: image files in each class folder")
        found[entry.name] = sorted(kinds)
    if not found:
        raise PrunemarkError(f"{path}: {folder} is empty; needed: one folder per class")
    return found


def listing_hash(raw: Path, path: str) -> str:
    """SHA-256 over the listing of all images of a directory."""
    root = layout(raw, path)
    folders = (TRAIN, evaluation_folder(root, path))
    listed = [f"{folder}/{name}/{file}" for folder in folders
              for name, files in class_files(root, folder, path).items() for file in files]  # fmt: skip
    digest = hashlib.sha256()
    for name in tqdm(sorted(listed), desc=f"hashing {Path(path).name}", unit="file", disable=None):
        digest.update(f"{_sources.sha256_file(root / name)}  {name}\n".encode())
    return digest.hexdigest()
