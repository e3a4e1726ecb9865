"""The stage: what it writes, twice the same; and that a failure is one line and leaves nothing."""

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from prunemark.disk.files import read_json
from prunemark.disk.tensors import read_arrays, read_tensors
from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import cifar10, fashion_mnist_mini
from prunemark.model import randomness
from prunemark.requests.stage_requests import FetchRequest
from prunemark.stages import fetch as stage
from prunemark.stages.fetch import draw_splits, fetch

OUT = Path("data/raw/clothes")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a folder for temporary files that must be empty again at the end."""
    (tmp_path / "work").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "work"


def request(
    method: str, settings: dict[str, Any], heldout: int, keypool: int, dataset: str = "clothes"
) -> FetchRequest:
    return FetchRequest(dataset=dataset, method=method, set=settings, heldout=heldout, keypool=keypool, out=OUT)


def fetch_mini(heldout: int = 100, keypool: int = 50, dataset: str = "clothes", **settings: Any) -> None:
    fetch(request("fashion-mnist-mini", settings, heldout, keypool, dataset))


def layout(root: Path) -> Path:
    arrays = read_arrays(fashion_mnist_mini.EMBEDDED)
    for split in ("train", "test"):
        for number, (label, image) in enumerate(zip(arrays[f"{split}_labels"], arrays[f"{split}_images"], strict=True)):
            if number < 100:
                (root / split / f"class-{label}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(root / split / f"class-{label}" / f"{number:03d}.png")
    return root


def test_what_is_written(here: Path) -> None:
    fetch_mini()
    assert sorted(path.name for path in OUT.iterdir()) == ["dataset.json", "images.safetensors", "receipt.json"]
    tensors, _ = read_tensors(OUT / "images.safetensors")
    embedded = read_arrays(fashion_mnist_mini.EMBEDDED)
    for split in ("train", "test"):
        images = tensors[f"{split}_images"]
        assert images.dtype == torch.uint8
        assert (images.numpy() == embedded[f"{split}_images"][..., None]).all()
        assert tensors[f"{split}_labels"].dtype == torch.int64
        np.testing.assert_array_equal(tensors[f"{split}_labels"], embedded[f"{split}_labels"])
    described = read_json(OUT / "dataset.json")
    assert described["counts"] == {"train": 4850, "heldout": 100, "keypool": 50, "test": 1000}
    assert described["image_size"] == 28
    assert described["licence"] == "MIT"
    assert len(described["classes"]) == 10
    for name, sha256 in described["splits_sha256"].items():
        assert sha256 == hashlib.sha256(tensors[f"index_{name}"].numpy().tobytes()).hexdigest()
    values = tensors["train_images"][tensors["index_train"]].double() / 255
    torch.testing.assert_close(torch.tensor(described["mean"]).double(), values.mean((0, 1, 2)), atol=6e-7, rtol=0)
    deviation = values.std((0, 1, 2), correction=0)
    torch.testing.assert_close(torch.tensor(described["std"]).double(), deviation, atol=6e-7, rtol=0)


def test_the_receipt_names_source_and_outputs(here: Path) -> None:
    fetch_mini()
    receipt = read_json(OUT / "receipt.json")
    assert receipt["inputs"] == {"fashion-mnist-mini.npz": fashion_mnist_mini.PIN}
    for name, sha256 in receipt["outputs"].items():
        assert hashlib.sha256(Path(name).read_bytes()).hexdigest() == sha256
    assert sorted(receipt["outputs"]) == [f"{OUT}/dataset.json", f"{OUT}/images.safetensors"]
    assert receipt["command"] == (
        "prunemark fetch --dataset clothes --heldout 100 --keypool 50 --method fashion-mnist-mini "
        "--out data/raw/clothes --set image_size=28"
    )
    assert receipt["parameters"]["set"] == {"image_size": 28}
    assert "src/prunemark/methods/datasets/fashion_mnist_mini.py" in receipt["code"]


@pytest.mark.parametrize("method", ["fashion-mnist-mini", "folder"])
def test_twice_the_same_bytes(method: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"path": str(layout(here / "images")), "image_size": 32} if method == "folder" else {}
    written = []
    for number in range(2):
        (here / str(number)).mkdir()
        monkeypatch.chdir(here / str(number))
        torch.manual_seed(number)
        fetch(request(method, settings, 30, 20))
        written.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert sorted(written[0]) == ["dataset.json", "images.safetensors", "receipt.json"]
    assert written[0] == written[1]


def test_splits_are_disjoint_and_balanced() -> None:
    labels = torch.from_numpy(read_arrays(fashion_mnist_mini.EMBEDDED)["train_labels"].astype(np.int64))
    splits = draw_splits(labels, 1003, 504, randomness.generator("splits", "clothes"))
    assert [len(splits[name]) for name in ("train", "heldout", "keypool")] == [3493, 1003, 504]
    assert torch.cat(list(splits.values())).sort().values.equal(torch.arange(5000))
    for index in splits.values():
        for part in (index, index[:95]):
            counts = labels[part].bincount(minlength=10)
            assert counts.max() - counts.min() <= 1
    assert splits["heldout"].diff().min() < 0  # drawn, not cut off in order


def test_splits_depend_on_the_datasets_name_alone() -> None:
    labels = torch.arange(10).repeat(20)
    one, same, other = (
        draw_splits(labels, 30, 30, randomness.generator("splits", name))["keypool"] for name in ("a", "a", "b")
    )
    assert one.equal(same)
    assert not one.equal(other)


def test_a_rare_class_keeps_an_image_to_train_on() -> None:
    labels = torch.tensor([0] * 30 + [1] * 2 + [2])
    splits = draw_splits(labels, 20, 10, randomness.generator("splits", "rare"))
    assert sorted(labels[splits["train"]].tolist()) == [0, 1, 2]
    assert labels[splits["heldout"]].bincount(minlength=3).tolist() == [19, 1, 0]


@pytest.mark.parametrize(("heldout", "keypool"), [(4990, 1), (0, 5000), (-1, 10), (10, -1)])
def test_splits_that_leave_nothing_to_train_on(heldout: int, keypool: int, here: Path) -> None:
    message = failure(method="fashion-mnist-mini", heldout=heldout, keypool=keypool)
    assert message == (
        f"heldout {heldout} and keypool {keypool} of 5000 training images are not allowed: "
        "neither below 0, together at most 4990, so that each class keeps one image to train on"
    )


def failure(method: str, heldout: int = 10, keypool: int = 10, **settings: Any) -> str:
    """The message of a fetch that fails, after a look at what it left: nothing."""
    before = sorted(Path.cwd().parent.rglob("*"))
    with pytest.raises(PrunemarkError) as caught:
        fetch(request(method, settings, heldout, keypool))
    assert "\n" not in str(caught.value)
    assert not OUT.exists()
    assert sorted(Path.cwd().parent.rglob("*")) == before
    return str(caught.value)


def test_names_and_settings_that_do_not_exist(here: Path) -> None:
    assert failure("fashion-mnst").startswith("datasets: 'fashion-mnst' is not one of cifar10, fashion-mnist, ")
    message = failure("fashion-mnist-mini", imagesize=28)
    assert message == "datasets.fashion-mnist-mini.imagesize: unknown setting; allowed: image_size"
    assert failure("folder") == "datasets.folder.path: missing, and it has no default"
    assert failure("fashion-mnist-mini", image_size=0) == (
        "datasets.fashion-mnist-mini.image_size: 0 is not allowed: 8 or more"
    )
    assert failure("folder", path="absent.tar") == "absent.tar: no such file"
    assert failure("cifar10", path="absent.tar.gz") == "absent.tar.gz: no such file"


def test_a_wrong_hash(here: Path) -> None:
    path = Path(shutil.make_archive("images", "gztar", layout(here / "images")))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert failure("folder", path=str(path), sha256="1" * 64) == f"{path}: sha256 is {found}; allowed: {'1' * 64}"
    assert failure("cifar10", path=str(path)) == f"{path}: sha256 is {found}; allowed: {cifar10.PIN}"


@pytest.mark.parametrize("form", ["tar", "gztar", "zip"])
def test_a_truncated_archive(form: str, here: Path) -> None:
    path = Path(shutil.make_archive("images", form, layout(here / "images")))
    content = path.read_bytes()
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * part)])
        assert failure("folder", path=str(path)).startswith(f"{path}: not a whole tar or zip archive (")


@pytest.mark.parametrize("form", ["tar", "zip"])
@pytest.mark.parametrize("name", ["../escaped", "/tmp/prunemark-escaped", "train/link"])
def test_an_archive_that_reaches_outside(form: str, name: str, here: Path) -> None:
    path = here / f"bad.{form}"
    link = name == "train/link"
    if form == "tar":
        with tarfile.open(path, "w") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = (tarfile.SYMTYPE, "../../..") if link else (tarfile.REGTYPE, "")
            tar.addfile(member, io.BytesIO())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16 if link else 0
            archive.writestr(entry, "../../..")
    kind = "is a link or a device" if link else "lies outside the folder"
    assert failure("folder", path=str(path)).startswith(f"{path}: member {name!r} {kind}; allowed: ")
    assert not Path("/tmp/prunemark-escaped").exists()


def test_a_failed_rerun_does_not_look_done(here: Path) -> None:
    fetch_mini()
    (OUT / "notes.txt").write_text("the user's own")
    with pytest.raises(PrunemarkError):
        fetch_mini(heldout=5000)
    assert [path.name for path in OUT.iterdir()] == ["notes.txt"]


def test_an_interruption_while_writing_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, value: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_mini()
    assert not OUT.exists()


def test_the_receipt_comes_last(here: Path) -> None:
    fetch_mini()
    times = {path.name: path.stat().st_mtime_ns for path in OUT.iterdir()}
    assert max(times, key=lambda name: times[name]) == "receipt.json"
    assert json.loads((Path("data/journal/raw/clothes.json")).read_text())["receipt"] == f"{OUT}/receipt.json"
