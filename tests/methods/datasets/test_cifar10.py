"""CIFAR-10's binary format, in small archives of real images."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import _sources, cifar10
from prunemark.methods.datasets import fashion_mnist_mini as mini

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """60 images, uint8 (60, 32, 32, 3), whose three channels differ, with their labels."""
    raw = tmp_path_factory.mktemp("mini")
    mini.obtain(raw, 32)
    images, labels = mini.load(raw, "test", 32)
    images[..., 1] = np.roll(images[..., 1], 5, axis=1)
    images[..., 2] = 255 - images[..., 2]
    return images[:60], labels[:60]


def archive_of(path: Path, pictures: tuple[np.ndarray, np.ndarray], cut: int = 0, without: str = "") -> Path:
    """An archive as on the author's page: a record is the label, then 1,024 bytes each of red, green and blue."""
    images, labels = pictures
    files = {"batches.meta.txt": "\n".join([*NAMES, "", ""]).encode()}
    for batch, name in enumerate([f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]):
        records = b""
        for position in range(10 * batch, 10 * batch + 10):
            planes = [images[position, :, :, channel].tobytes() for channel in range(3)]
            records += bytes([labels[position]]) + b"".join(planes)
        files[name] = records[: len(records) - cut]
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            if name != without:
                tar.addfile(member, io.BytesIO(content))
    return path


def pin(archive: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "PIN", sha256)
    return sha256


def test_records_become_images(
    pictures: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path / "copy.tar.gz", pictures)
    settings = {"image_size": 32, "path": str(path)}
    sha256 = pin(path, monkeypatch)
    assert cifar10.obtain(tmp_path, **settings) == {"cifar-10-binary.tar.gz": sha256}
    for split, part in (("train", slice(0, 50)), ("test", slice(50, 60))):
        images, labels = cifar10.load(tmp_path, split, **settings)
        np.testing.assert_array_equal(images, pictures[0][part])
        np.testing.assert_array_equal(labels, pictures[1][part])
    assert cifar10.classes(tmp_path, **settings) == NAMES


def test_without_a_copy_it_is_downloaded(
    pictures: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path / "served.tar.gz", pictures)
    sha256 = pin(path, monkeypatch)
    asked = []

    def copy(url: str, target: Path) -> None:
        asked.append(url)
        target.write_bytes(path.read_bytes())

    monkeypatch.setattr(_sources, "download", copy)
    (tmp_path / "raw").mkdir()
    assert cifar10.obtain(tmp_path / "raw", 32, "") == {"cifar-10-binary.tar.gz": sha256}
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
    assert (tmp_path / "raw/cifar-10-batches-bin/test_batch.bin").stat().st_size == 10 * 3073


def test_another_file_than_the_pinned_one_is_refused(pictures: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    path = archive_of(tmp_path / "copy.tar.gz", pictures)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(PrunemarkError, match=f"^{path}: sha256 is {found}; allowed: {cifar10.PIN}$"):
        cifar10.obtain(tmp_path, 32, str(path))
    with pytest.raises(PrunemarkError, match=f"^{tmp_path}/absent: no such file$"):
        cifar10.obtain(tmp_path, 32, f"{tmp_path}/absent")
    assert list(tmp_path.iterdir()) == [path]


def test_missing_and_cut_batches_are_named(
    pictures: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, message in (
        ({"without": "test_batch.bin"}, "has no file cifar-10-batches-bin/test_batch.bin"),
        ({"cut": 1}, "test_batch.bin has 30729 bytes; allowed: multiples of 3073"),
    ):
        raw = tmp_path / next(iter(given))
        raw.mkdir()
        path = archive_of(tmp_path / "copy.tar.gz", pictures, **given)
        pin(path, monkeypatch)
        cifar10.obtain(raw, 32, str(path))
        with pytest.raises(PrunemarkError, match=f"^cifar-10-binary.tar.gz: {message}$"):
            cifar10.load(raw, "test", 32, str(path))
