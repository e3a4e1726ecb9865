"""The questions as commands: exit statuses, JSON, one-line errors, and what the README shows of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prunemark.commands.command_line import run

ROOT = Path(__file__).parents[2]
Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Run a command in the repository's root: exit status, stdout and stderr."""
    monkeypatch.chdir(ROOT)

    def asked(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prunemark", *arguments])
        status = run()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return asked


def test_why(ask: Asked) -> None:
    status, out, err = ask("why", "0.413", "--run", "examples/pruning")
    assert (status, err) == (0, "")
    assert out.splitlines()[2].startswith("accuracy refit = 0.413 = 826 of 2,000 images")
    status, out, _ = ask("why", "accuracy[rate=0.85]", "--run", "examples/default/results.csv", "--json")
    assert status == 2
    assert out == ""
    status, out, _ = ask("why", "accuracy[pruner=original seed=0]", "--run", "examples/default/results.csv", "--json")
    assert status == 0
    assert json.loads(out)["matches"]


@pytest.mark.parametrize("arguments", [("why", "accuracy[x=1]", "--run", "examples/default"), ("diff", "nonsense", "HEAD"), ("check-table", "LICENSE"), ("why", "0.5", "--run", "nowhere"), ("report", "--format", "pdf", "--run", "examples/default"), ("report", "--format", "csv", "--run", "nowhere"), ("report", "--format", "csv", "--run", "tests"), ("why", "0.5", "--run", "README.md"), ("diff", "README.md", "HEAD"), ("report", "--format", "csv", "--run", "README.md"), ("report",), ("report", "--format", "csv", "--out", "x")])  # fmt: skip
def test_no_answer_is_status_2_and_one_line(ask: Asked, arguments: tuple[str, ...]) -> None:
    status, out, err = ask(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("prunemark: ")
    assert err.count("\n") == 1


def test_diff(ask: Asked) -> None:
    assert ask("diff", "examples/default", "examples/default/results.csv")[0] == 0
    status, out, _ = ask("diff", "examples/default", "examples/pruning")
    assert status == 1
    assert "appeared" in out
    status, out, _ = ask("diff", "examples/default", "examples/pruning", "--json")
    assert status == 1
    assert {"moved", "appeared", "vanished"} <= set(json.loads(out))


def test_check_table(ask: Asked, tmp_path: Path) -> None:
    assert ask("check-table", "README.md")[0] == 0
    table = tmp_path / "table.csv"
    table.write_text("m,accuracy (%)\na,81.33\nb,81.10\n")
    assert ask("check-table", str(table))[0] == 0
    status, out, _ = ask("check-table", str(table), "--n", "150")
    assert status == 1
    assert "row 2 (line 3), column 'accuracy (%)': 81.10, should be 80.67 (121 of 150) or 81.33 (122 of 150)" in out
    status, out, _ = ask("check-table", str(table), "--n", "150", "--json")
    assert status == 1
    assert json.loads(out)["faults"] == 1


def test_the_readme_shows_what_the_command_prints(ask: Asked) -> None:
    """Every line of its example, cut where it is too long for a screen."""
    block = (ROOT / "README.md").read_text().split("$ prunemark why ", 1)[1].split("```", 1)[0].splitlines()
    question = block[0].split("'")[1]
    printed = [line for line in ask("why", question, "--run", "examples/pruning")[1].splitlines() if line]
    shown = block[1:]
    assert len(shown) == len(printed)
    for there, real in zip(shown, printed, strict=True):
        assert there == real or (there.endswith(" ...") and real.startswith(there.removesuffix(" ...")))


@pytest.mark.parametrize("extra", [(), ("--json",)])
def test_why_of_what_does_not_chain_is_status_1(ask: Asked, tmp_path: Path, tree, extra: tuple[str, ...]) -> None:
    tree.build().files["data/report/results.csv"] += b"\n"
    for name, content in tree.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    status, out, err = ask("why", "0.8", "--run", str(tmp_path), *extra)
    assert (status, err) == (1, "")
    assert "not as the report has written it" in out
