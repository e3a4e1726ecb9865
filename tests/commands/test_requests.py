"""Options, parameters and the call of a stage are those of its request; nothing names them a second time."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from prunemark.commands.command_line import command_line
from prunemark.commands.stage_commands import REQUESTS, command
from prunemark.formats.receipt import flags
from prunemark.plan import grid
from prunemark.plan.params_file import read_params
from prunemark.requests.request import Option, Request
from prunemark.requests.stage_requests import EvaluateRequest, PruneRequest, ShrinkRequest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class NewRequest(Request):
    """Do something new."""

    data: Path
    share: Annotated[float, Option("a new option", least=0)] = 0.5


def test_a_field_is_all_that_a_new_option_needs() -> None:
    heard: list[Request] = []
    app = Typer()
    app.command("new", help=NewRequest.__doc__)(command(NewRequest, heard.append))
    assert CliRunner().invoke(app, ["--data", "a", "--share", "0.25"]).exit_code == 0
    assert heard == [NewRequest(data=Path("a"), share=0.25)]
    assert heard[0].parameters() == {"data": "a", "share": 0.25}
    refused = CliRunner().invoke(app, ["--data", "a", "--share", "-1"])
    assert refused.exit_code == 2
    assert "greater than or equal to 0" in " ".join(refused.output.split())


@pytest.mark.parametrize("name", REQUESTS)
def test_the_options_of_a_command_are_the_fields_of_its_request(name: str) -> None:
    options = [parameter.name for parameter in command_line().commands[name].params]
    assert sorted(options) == sorted(field.name for field in fields(REQUESTS[name]))


@pytest.mark.parametrize("params", ["params.yaml", "params-cifar10.yaml", "examples/pruning/params.yaml"])
def test_a_command_gives_the_parameters_that_it_was_made_from(params: str) -> None:
    """From the plan to words and back, for every step of a kind."""
    steps = {step.command: step for step in grid.all_steps(read_params(ROOT / params)) if step.command != "report"}
    assert set(steps) >= {"fetch", "train", "watermark", "check", "evaluate", "control", "latency"}
    for name, step in steps.items():
        heard: list[Request] = []
        app = Typer()
        app.command(name)(command(REQUESTS[name], heard.append))
        answer = CliRunner().invoke(app, shlex.split(flags(step.parameters)))
        assert answer.exit_code == 0, answer.output
        assert [request.parameters() for request in heard] == [step.parameters]


def test_what_is_not_used_is_no_parameter() -> None:
    shared: dict[str, Any] = {"data": Path("a"), "marked": Path("b"), "threads": 1, "out": Path("c")}
    assert not {"pruned", "original"} & set(EvaluateRequest(**shared, head_images=10).parameters())
    for kind in (PruneRequest, ShrinkRequest):
        given = {**shared, "encoder": Path("d"), "method": "random", "scope": "global", "rate": "0.5"}
        given |= {"objective": "simclr", "batch_size": 2, "seed": 0}
        tuning = {"epochs", "learning-rate", "optimizer", "momentum", "weight-decay", "device"}
        assert not tuning & set(kind(**given).parameters())
        assert tuning <= set(kind(**given, recovery="fine-tune", epochs=1, learning_rate=0.1).parameters())
