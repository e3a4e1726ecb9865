"""The ImageNet layout as directory, tar and zip; and two real archives, where they are."""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunemark.disk.tensors import read_arrays
from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import fashion_mnist_mini as mini
from prunemark.methods.datasets import folder

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
TINY = SHARED / "tiny-imagenet-10.tar.gz"
CIFAR = SHARED / "cifar10-jpeg.tar.gz"
NAMES = ["Bag", "Coat", "Sandal"]
LABELS = [8, 4, 5]


def needs(archive: Path) -> pytest.MarkDecorator:
    reason = f"{archive.name} is not in the folder shared/data beside the repository: not decoded"
    return pytest.mark.skipif(not archive.is_file(), reason=reason)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Three classes of clothes, 6 training and 2 test images each, as PNG."""
    arrays = read_arrays(mini.EMBEDDED)
    root = tmp_path / "clothes"
    for split, name, count in (("train", "train", 6), ("test", "val", 2)):
        for label, title in zip(LABELS, NAMES, strict=True):
            (root / name / title).mkdir(parents=True)
            for number, image in enumerate(arrays[f"{split}_images"][arrays[f"{split}_labels"] == label][:count]):
                Image.fromarray(image).save(root / name / title / f"{number}.png")
    return root


def opened(path: Path, raw: Path, image_size: int = 28, sha256: str = "") -> tuple[dict, dict[str, str]]:
    settings = {"path": str(path), "image_size": image_size, "sha256": sha256}
    raw.mkdir()
    sources = folder.obtain(raw, **settings)
    content = {split: folder.load(raw, split, **settings) for split in ("train", "test")}
    return {**content, "classes": folder.classes(raw, **settings)}, sources


def refusal(path: Path, raw: Path, **settings: int | str) -> str:
    with pytest.raises(PrunemarkError) as caught:
        opened(path, raw, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("form", ["directory", "tar", "gztar", "zip", "flat"])
def test_every_form_gives_the_same_images(form: str, layout: Path, tmp_path: Path) -> None:
    path = layout
    if form == "flat":
        path = Path(shutil.make_archive(str(tmp_path / "flat"), "tar", layout))
    elif form != "directory":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), form, tmp_path, "clothes"))
    content, sources = opened(path, tmp_path / "raw")
    arrays = read_arrays(mini.EMBEDDED)
    for split, count in (("train", 6), ("test", 2)):
        images, labels = content[split]
        chosen = [arrays[f"{split}_images"][arrays[f"{split}_labels"] == label][:count] for label in LABELS]
        expected = np.repeat(np.concatenate(chosen)[..., None], 3, axis=3)
        np.testing.assert_array_equal(images, expected)
        assert labels.dtype == np.int64
        assert labels.tolist() == [0] * count + [1] * count + [2] * count
    assert content["classes"] == NAMES
    if form != "directory":
        assert sources == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_directory_is_pinned_by_its_listing(layout: Path, tmp_path: Path) -> None:
    files = sorted(path.relative_to(layout).as_posix() for path in layout.rglob("*.png"))
    listing = "".join(f"{hashlib.sha256((layout / name).read_bytes()).hexdigest()}  {name}\n" for name in files)
    sha256 = hashlib.sha256(listing.encode()).hexdigest()
    assert opened(layout, tmp_path / "raw", sha256=sha256)[1] == {"clothes": sha256}
    shutil.copyfile(layout / "val/Bag/0.png", layout / "val/Bag/1.png")
    assert refusal(layout, tmp_path / "raw2", sha256=sha256).endswith(f"; allowed: {sha256}")


def test_the_directory_itself_survives(layout: Path, tmp_path: Path) -> None:
    opened(layout, tmp_path / "raw")
    shutil.rmtree(tmp_path / "raw")
    assert len(list(layout.rglob("*.png"))) == 24


def test_an_archive_is_pinned(layout: Path, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "clothes"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened(path, tmp_path / "raw", sha256=found)[1] == {"packed.zip": found}
    wrong = "0" * 64
    assert refusal(path, tmp_path / "raw2", sha256=wrong) == f"sha256 is {found}; allowed: {wrong}"
    assert not list((tmp_path / "raw2").iterdir())


def misplace(change: Callable[[Path], object], layout: Path, tmp_path: Path) -> str:
    change(layout)
    return refusal(layout, tmp_path / "raw")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root / "train"), "has no folder train; needed: train/<class>/* and val|test/"),
        (lambda root: shutil.rmtree(root / "val"), "has neither val nor test beside train; needed: one"),
        (lambda root: shutil.copytree(root / "val", root / "test"), "has val and test beside train; needed: one"),
        (lambda root: shutil.rmtree(root / "val/Coat"), "class 'Coat' is in train but not in val; both need"),
        (lambda root: (root / "val/Coat").rename(root / "val/Cot"), "class 'Coat' is in train but not in val; both"),
        (lambda root: shutil.rmtree(root / "train/Bag"), "class 'Bag' is in val but not in train; both need"),
        (lambda root: (root / "train/list.txt").write_text("x"), "train/list.txt is no folder; allowed: one folder"),
        (lambda root: (root / "val/Bag/more").mkdir(), "val/Bag/more is no file; allowed: image files"),
        (lambda root: (root / "train/Zebra").mkdir(), "train/Zebra is empty; allowed: image files"),
        (lambda root: (root / "train/Bag/list.txt").write_text("x"), "train/Bag/list.txt is no readable image ("),
    ],
)
def test_other_layouts_are_refused(
    change: Callable[[Path], object], message: str, layout: Path, tmp_path: Path
) -> None:
    assert misplace(change, layout, tmp_path).startswith(message)


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent", tmp_path / "raw") == "no such file"


@needs(TINY)
def test_tiny_imagenet_is_what_pillow_decodes(tmp_path: Path) -> None:
    pin = "ce76c7ccb054fb8f27f14fbae2df1e13e8c0f763aacb29f58e260445cc489354"
    content, sources = opened(TINY, tmp_path / "raw", image_size=64, sha256=pin)
    assert sources == {"tiny-imagenet-10.tar.gz": pin}
    images, labels = content["test"]
    assert content["train"][0].shape == (5000, 64, 64, 3)
    assert np.bincount(content["train"][1]).tolist() == [500] * 10
    assert np.bincount(labels).tolist() == [50] * 10
    with tarfile.open(TINY) as tar:
        names = sorted(name for name in tar.getnames() if name.startswith("tiny-imagenet-10/val/n02129165/"))
        member = tar.extractfile(names[7])
        assert member is not None
        expected = np.asarray(Image.open(io.BytesIO(member.read())).convert("RGB"))
    first = 50 * content["classes"].index("n02129165")
    np.testing.assert_array_equal(images[first + 7], expected)


@needs(CIFAR)
def test_the_first_cifar_images_are_what_pillow_decodes(tmp_path: Path) -> None:
    """Of the archive's 60,000 files the first 300 test images of two classes, packed anew; all take half a minute."""
    pin = "eeb97f22532b8afdd5175135763a9f0bcb269a7b5dfa725899df9c618af57d1d"
    assert hashlib.sha256(CIFAR.read_bytes()).hexdigest() == pin
    wanted, expected = {"airplane": 200, "automobile": 100}, {}
    with tarfile.open(CIFAR) as source, tarfile.open(tmp_path / "some.tar.gz", "w:gz") as tar:
        for member in source:
            parts = member.name.split("/")
            if member.isreg() and int(parts[3].removesuffix(".jpg")) < wanted.get(parts[2], 0):
                content = source.extractfile(member).read()
                expected[parts[2], parts[3]] = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
                for split in ("train", "test"):
                    member.name = f"cifar10/{split}/{parts[2]}/{parts[3]}"
                    tar.addfile(member, io.BytesIO(content))
            if len(expected) == 300:
                break
    images, labels = opened(tmp_path / "some.tar.gz", tmp_path / "raw", image_size=32)[0]["test"]
    assert np.bincount(labels).tolist() == [200, 100]
    np.testing.assert_array_equal(images, np.stack([expected[key] for key in sorted(expected)]))


def test_the_first_files_of_each_class_are_taken(layout: Path, tmp_path: Path) -> None:
    settings = {"path": str(layout), "image_size": 28, "sha256": "", "train_per_class": 2, "test_per_class": 1}
    (tmp_path / "raw").mkdir()
    folder.obtain(tmp_path / "raw", **settings)
    whole, _ = opened(layout, tmp_path / "whole")
    for split, most, of in (("train", 2, 6), ("test", 1, 2)):
        images, labels = folder.load(tmp_path / "raw", split, **settings)
        chosen = [place for place in range(3 * of) if place % of < most]
        assert np.array_equal(images, whole[split][0][chosen])
        assert np.array_equal(labels, whole[split][1][chosen])
