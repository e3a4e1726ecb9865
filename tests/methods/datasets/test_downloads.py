"""Downloads, from a server on this machine that serves real bytes; and sources tried in order."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import _sources, fashion_mnist
from prunemark.methods.datasets._torchvision import torchvision
from prunemark.methods.datasets.fashion_mnist_mini import EMBEDDED, PIN

DEBIAN = fashion_mnist.DEBIAN
NOWHERE = "http://127.0.0.1:9/"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Cut(BaseHTTPRequestHandler):
    """Announces the whole file and closes the connection half-way."""

    def do_GET(self) -> None:
        content = EMBEDDED.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is none of the tests' business."""


def serving(handler: type[BaseHTTPRequestHandler] | partial[SimpleHTTPRequestHandler]) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def package() -> Iterator[str]:
    yield from serving(partial(Quiet, directory=str(EMBEDDED.parent)))


@pytest.fixture
def debian() -> Iterator[str]:
    yield from serving(partial(Quiet, directory=str(DEBIAN)))


@pytest.fixture
def cut() -> Iterator[str]:
    yield from serving(Cut)


def error_of(write: partial[None]) -> str:
    with pytest.raises(PrunemarkError) as caught:
        write()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_download_is_the_file_and_is_quiet_without_a_terminal(
    package: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _sources.download(package + EMBEDDED.name, tmp_path / "copy.npz")
    assert hashlib.sha256((tmp_path / "copy.npz").read_bytes()).hexdigest() == PIN
    assert capfd.readouterr() == ("", "")


def test_what_a_server_does_not_have_is_an_error(package: str, tmp_path: Path) -> None:
    message = error_of(partial(_sources.download, package + "absent.npz", tmp_path / "copy"))
    assert message == f"{package}absent.npz: HTTP Error 404: File not found"
    assert "refused" in error_of(partial(_sources.download, NOWHERE + "absent.npz", tmp_path / "copy"))


def test_the_next_source_serves_when_one_fails(package: str, cut: str, tmp_path: Path) -> None:
    urls = [NOWHERE + "a", cut + "b", package + "fashion_mnist.py", package + EMBEDDED.name]
    _sources.from_first(tmp_path / "copy", PIN, [(url, partial(_sources.download, url)) for url in urls])
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest() == PIN


def test_when_all_sources_fail_each_is_named_and_nothing_is_left(package: str, cut: str, tmp_path: Path) -> None:
    urls = [NOWHERE + "a", cut + "b", package + "fashion_mnist.py"]
    sources = [(url, partial(_sources.download, url)) for url in urls]
    message = error_of(partial(_sources.from_first, tmp_path / "copy", PIN, sources))
    half = hashlib.sha256(EMBEDDED.read_bytes()[: EMBEDDED.stat().st_size // 2]).hexdigest()
    assert message.startswith(f"copy: no source has it; tried {urls[0]}: ")
    assert f"{urls[1]}: sha256 is {half}; allowed: {PIN}" in message
    assert f"{urls[2]}: sha256 is " in message
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"{DEBIAN} is not there to be served")
def test_fashion_mnist_is_the_same_from_a_mirror(debian: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "not-installed")
    monkeypatch.setattr(torchvision().datasets.FashionMNIST, "mirrors", [NOWHERE, debian])
    (tmp_path / "raw").mkdir()
    assert fashion_mnist.obtain(tmp_path / "raw", 28) == fashion_mnist.PINS
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == sorted(fashion_mnist.PINS)
    labels = (tmp_path / "raw/t10k-labels-idx1-ubyte").read_bytes()
    assert labels == gzip.decompress((DEBIAN / "t10k-labels-idx1-ubyte.gz").read_bytes())


def test_fashion_mnist_without_any_source_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "not-installed")
    monkeypatch.setattr(torchvision().datasets.FashionMNIST, "mirrors", [NOWHERE])
    message = error_of(partial(fashion_mnist.obtain, tmp_path, 28))
    packed = "train-images-idx3-ubyte.gz"
    assert f"tried {tmp_path}/not-installed/{packed}: no such file; {NOWHERE}{packed}: " in message
    assert not list(tmp_path.iterdir())
