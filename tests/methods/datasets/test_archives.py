"""Archives that are whole are extracted byte for byte; all others are refused in one line."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets._archives import extract
from prunemark.methods.datasets.fashion_mnist_mini import EMBEDDED

FILES = {"top/a/one.bin": EMBEDDED.read_bytes()[:5000], "top/b/two.bin": EMBEDDED.read_bytes()[5000:9000]}


def tar_of(path: Path, files: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in special:
            tar.addfile(member)
    return path


def zip_of(path: Path, files: dict[str, bytes], *special: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for member in special:
            archive.writestr(member, "../../outside")
    return path


def special_tar(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "../../outside"
    return member


def special_zip(name: str, kind: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (kind | 0o777) << 16
    return member


def refusal(archive: Path, folder: Path) -> str:
    with pytest.raises(PrunemarkError) as caught:
        extract(archive, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{archive}: ")
    return message.removeprefix(f"{archive}: ")


@pytest.mark.parametrize("name", ["whole.tar", "whole.tar.gz", "whole.zip"])
def test_whole_archives_come_out_byte_for_byte(name: str, tmp_path: Path) -> None:
    archive = (zip_of if name.endswith("zip") else tar_of)(tmp_path / name, FILES)
    extract(archive, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*.bin")}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES


@pytest.mark.parametrize("name", ["whole.tar", "whole.zip"])
def test_folders_without_files_are_made(name: str, tmp_path: Path) -> None:
    if name.endswith("zip"):
        archive = zip_of(tmp_path / name, {"top/empty/": b""})
    else:
        archive = tar_of(tmp_path / name, {}, special_tar("top/empty", tarfile.DIRTYPE))
    extract(archive, tmp_path / "out")
    assert (tmp_path / "out/top/empty").is_dir()


@pytest.mark.parametrize("name", ["bad.tar", "bad.tar.gz", "bad.zip"])
@pytest.mark.parametrize("member", ["../outside", "top/../../outside", "/tmp/prunemark-outside", "top/.."])
def test_names_outside_the_folder_are_refused(name: str, member: str, tmp_path: Path) -> None:
    archive = (zip_of if name.endswith("zip") else tar_of)(tmp_path / name, {**FILES, member: b"x"})
    assert refusal(archive, tmp_path / "out") == f"member {member!r} lies outside the folder; allowed: names inside it"
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/prunemark-outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "bad.tar", FILES, special_tar("top/odd", kind))
    message = refusal(archive, tmp_path / "out")
    assert message == "member 'top/odd' is a link or a device; allowed: plain files and folders"
    assert not (tmp_path / "out/top/odd").is_symlink()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(kind: int, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "bad.zip", FILES, special_zip("top/odd", kind))
    message = refusal(archive, tmp_path / "out")
    assert message == "member 'top/odd' is a link or a device; allowed: plain files and folders"


@pytest.mark.parametrize("name", ["cut.tar", "cut.tar.gz", "cut.zip"])
def test_archives_cut_anywhere_are_refused(name: str, tmp_path: Path) -> None:
    archive = (zip_of if name.endswith("zip") else tar_of)(tmp_path / name, FILES)
    content = archive.read_bytes()
    # A plain tar is padded with zeros to 10,240 bytes; its content with the closing block is shorter.
    whole = len(content) if not name.endswith(".tar") else 2 * 512 + 5120 + 4096 + 512
    # 6,144 is exactly between the two members of the plain tar; tarfile alone would take that for a whole archive.
    for length in (0, 1, 3, 100, 600, 5000, 5632, 6000, whole - 513, whole - 512, whole - 9, whole - 1):
        archive.write_bytes(content[:length])
        assert refusal(archive, tmp_path / f"out{length}").startswith("not a whole tar or zip archive (")


def test_a_flipped_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    for archive in (tar_of(tmp_path / "bad.tar.gz", FILES), zip_of(tmp_path / "bad.zip", FILES)):
        content = bytearray(archive.read_bytes())
        content[len(content) // 3] ^= 0x10
        archive.write_bytes(content)
        assert refusal(archive, tmp_path / "out").startswith("not a whole tar or zip archive (")


def test_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("neither tar nor zip\n" * 100)
    assert refusal(other, tmp_path / "out").startswith("not a whole tar or zip archive (")
    assert refusal(tmp_path / "absent.tar", tmp_path / "out") == "no such file"
