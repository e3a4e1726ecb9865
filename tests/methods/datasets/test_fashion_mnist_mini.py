"""The embedded excerpt against the full set; run as a script with a path, it writes the excerpt there."""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from prunemark.disk.tensors import read_arrays, write_arrays
from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import fashion_mnist_mini as mini

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PER_CLASS = {"train": ("train", 500), "test": ("t10k", 100)}
needs_debian = pytest.mark.skipif(
    not DEBIAN.is_dir(), reason=f"{DEBIAN} is not there: the excerpt is not compared with the full set"
)


def unpacked(name: str, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((DEBIAN / f"{name}-ubyte.gz").read_bytes()), np.uint8, offset=header)


def draw() -> dict[str, np.ndarray]:
    """The excerpt: of each class evenly spaced images, beginning with its first, in the order of the full set."""
    arrays = {}
    for split, (prefix, wanted) in PER_CLASS.items():
        images = unpacked(f"{prefix}-images-idx3", 16).reshape(-1, 28, 28)
        labels = unpacked(f"{prefix}-labels-idx1", 8)
        members = [np.flatnonzero(labels == label) for label in range(10)]
        index = np.sort(np.concatenate([of[np.arange(wanted) * len(of) // wanted] for of in members]))
        arrays |= {f"{split}_images": images[index], f"{split}_labels": labels[index]}
    return arrays


@needs_debian
def test_it_is_the_evenly_spaced_draw_from_the_full_set() -> None:
    drawn, embedded = draw(), read_arrays(mini.EMBEDDED)
    assert sorted(drawn) == sorted(embedded)
    for name, array in drawn.items():
        np.testing.assert_array_equal(array, embedded[name])


def test_it_is_small_and_pinned() -> None:
    content = mini.EMBEDDED.read_bytes()
    assert len(content) < 4_000_000
    assert hashlib.sha256(content).hexdigest() == mini.PIN


def test_each_class_has_its_share(tmp_path: Path) -> None:
    assert mini.obtain(tmp_path, 28) == {"fashion-mnist-mini.npz": mini.PIN}
    for split, each in (("train", 500), ("test", 100)):
        images, labels = mini.load(tmp_path, split, 28)
        assert images.shape == (10 * each, 28, 28, 3)
        assert np.bincount(labels).tolist() == [each] * 10
        assert (images[..., 0] == images[..., 1]).all()
        assert (images[..., 0] == images[..., 2]).all()


def test_no_test_image_is_a_training_image() -> None:
    arrays = read_arrays(mini.EMBEDDED)
    train = {image.tobytes() for image in arrays["train_images"]}
    assert not train & {image.tobytes() for image in arrays["test_images"]}


@pytest.mark.parametrize("damage", ["altered", "truncated", "missing"])
def test_a_damaged_excerpt_is_refused(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = mini.EMBEDDED.read_bytes()
    copy = tmp_path / "copy.npz"
    if damage != "missing":
        copy.write_bytes(content[:-1] + b"x" if damage == "altered" else content[:-1])
    monkeypatch.setattr(mini, "EMBEDDED", copy)
    expected = "no such file" if damage == "missing" else f"sha256 is [0-9a-f]{{64}}; allowed: {mini.PIN}"
    with pytest.raises(PrunemarkError, match=f"copy.npz: {expected}$"):
        mini.obtain(tmp_path, 28)


if __name__ == "__main__":
    write_arrays(Path(sys.argv[1]), draw())
