"""Fashion-MNIST from Debian's package, against a reading of the IDX files by hand."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import fashion_mnist
from prunemark.methods.datasets._torchvision import torchvision

SIZES = {"train": (60_000, 47_040_016), "t10k": (10_000, 7_840_016)}
needs_debian = pytest.mark.skipif(
    not fashion_mnist.DEBIAN.is_dir(), reason=f"{fashion_mnist.DEBIAN} is not there: the full set is not read"
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    fashion_mnist.obtain(folder, 28)
    return folder


@needs_debian
def test_it_is_what_the_idx_files_say(raw: Path) -> None:
    for split, prefix in (("train", "train"), ("test", "t10k")):
        count, size = SIZES[prefix]
        content = gzip.decompress((fashion_mnist.DEBIAN / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
        assert len(content) == size
        assert struct.unpack(">IIII", content[:16]) == (0x803, count, 28, 28)
        expected = gzip.decompress((fashion_mnist.DEBIAN / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
        assert struct.unpack(">II", expected[:8]) == (0x801, count)
        images, labels = fashion_mnist.load(raw, split, 28)
        assert images[..., 0].tobytes() == content[16:]
        assert (images[..., 1:] == images[..., :1]).all()
        assert labels.astype(np.uint8).tobytes() == expected[8:]


@needs_debian
def test_it_is_balanced_and_named_as_in_torchvision(raw: Path) -> None:
    assert np.bincount(fashion_mnist.load(raw, "test", 28)[1]).tolist() == [1000] * 10
    assert fashion_mnist.classes(raw, 28) == torchvision().datasets.FashionMNIST.classes


@needs_debian
@pytest.mark.parametrize("damage", ["other", "truncated", "no-gzip"])
def test_a_bad_copy_is_said_and_leaves_nothing(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = (fashion_mnist.DEBIAN / "t10k-labels-idx1-ubyte.gz").read_bytes()
    content = {"other": labels, "truncated": labels[:-100], "no-gzip": b"no gzip"}[damage]
    (tmp_path / "debian").mkdir()
    (tmp_path / "raw").mkdir()
    (tmp_path / "debian/train-images-idx3-ubyte.gz").write_bytes(content)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(torchvision().datasets.FashionMNIST, "mirrors", [])
    with pytest.raises(PrunemarkError) as caught:
        fashion_mnist.obtain(tmp_path / "raw", 28)
    found, pin = (fashion_mnist.PINS[f"{name}-ubyte"] for name in ("t10k-labels-idx1", "train-images-idx3"))
    reason = f"sha256 is {found}; allowed: {pin}" if damage == "other" else "damaged or truncated ("
    expected = f"train-images-idx3-ubyte: no source has it; tried {tmp_path}/debian/train-images-idx3-ubyte.gz: "
    assert str(caught.value).startswith(expected + reason)
    assert not list((tmp_path / "raw").iterdir())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begins with ; allowed"),
        (b"\x00\x00\x0d\x01" + bytes(8), "begins with 00000d01; allowed"),
        (b"\x00\x00\x08\x03" + bytes(8), "begins with 00000803; allowed"),
        (b"\x00\x00\x08\x01" + struct.pack(">I", 9) + bytes(8), "16 bytes do not hold an array of shape (9,)"),
    ],
)
def test_what_is_no_idx_file_of_bytes_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(PrunemarkError) as caught:
        fashion_mnist.read_idx(tmp_path / "odd")
    assert str(caught.value).startswith(f"odd: {reason}")
