"""A clone of this repository with the tiny grid, in which real Snakemake, DVC and MLflow run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TRACKED = ("raw", "encoders", "marked", "pruned", "scores")
PER_CLASS = {"train": 60, "test": 10}


class Repository:
    """A working copy of the project in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def tiny(folder: Path) -> Repository:
        """A clone of the working tree as it is, uncommitted edits included, with the tiny grid and its images."""
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        folder.mkdir(parents=True, exist_ok=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file() and name not in ("dvc.lock", "params.yaml"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        shutil.copyfile(Path(__file__).with_name("tiny.yaml"), folder / "params.yaml")
        draw_images(folder / "tiny")
        repository = Repository(folder)
        for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "a clone with the tiny grid")):
            repository.git(*arguments)
        return repository

    def clone(self, folder: Path) -> Repository:
        """A fresh clone elsewhere of what is committed: nothing built, where `commit` was not called."""
        subprocess.run(["git", "clone", "-q", self.folder, folder], check=True)
        return Repository(folder)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "what was built", "--allow-empty")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=prunemark", "-c", "user.email=prunemark@example.org")
        return self.run("git", *identity, *arguments)

    def environment(self) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PRUNEMARK_", "DVC_", "MLFLOW_", "SNAKEMAKE_"))
        }
        return inherited | {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, *command: str, output: Path) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        with output.open("a") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(),
                text=True,
                start_new_session=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command; its exit status is the caller's to judge."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *command: str) -> str:
        """Run a command that must succeed; returns what it printed."""
        done = self.attempt(*command)
        assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}"
        return done.stdout

    def edit(self, name: str, old: str, new: str, count: int = -1) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, count))

    def everything(self) -> dict[str, int]:
        """How many jobs of each rule there are."""
        return self.planned("--forceall")

    def planned(self, *options: str) -> dict[str, int]:
        """How many jobs of each rule Snakemake would run, without those that only collect."""
        printed = self.run("snakemake", "-n", *options)
        if "Nothing to be done" in printed:
            return {}
        table = printed.partition("Job stats:")[2].partition("total")[0]
        lines = [line.split() for line in table.splitlines()[3:] if line.strip()]
        return {rule: int(count) for rule, count in lines if not rule.startswith("all")}

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every artefact and receipt in data/raw ... data/scores, and of results.csv."""
        files = [path for name in TRACKED for path in (self.folder / "data" / name).rglob("*") if path.is_file()]
        files.append(self.folder / "data/report/results.csv")
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.name != ".gitignore"
        }

    def locked(self) -> dict[str, str]:
        """The hashes of the artefact folders in dvc.lock."""
        from ruamel.yaml import YAML

        stages = YAML(typ="safe").load(self.folder / "dvc.lock")["stages"].values()
        outs = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
        return {f"data/{name}": outs[f"data/{name}"] for name in TRACKED}

    def dvc_is_clean(self) -> bool:
        return json.loads(self.run("dvc", "status", "--json")) == {}


def draw_images(folder: Path) -> None:
    """Write the tiny dataset in the ImageNet layout: real images of the embedded set, four classes."""
    with np.load(ROOT / "src/prunemark/methods/datasets/fashion-mnist-mini.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for split, count in PER_CLASS.items():
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        for label in range(4):
            target = folder / split / f"class{label}"
            target.mkdir(parents=True)
            for i, image in enumerate(images[labels == label][:count]):
                Image.fromarray(image.squeeze()).save(target / f"{i:03}.png")
