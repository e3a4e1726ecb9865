# Everything a newcomer needs: `make run` builds the default grid, `make test` checks the project.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check bench slow clean

run: $(VENV)/run
	$(BIN)/prunemark build

test: $(VENV)/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto --dist loadfile

slow: $(VENV)/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint

bench: $(VENV)/bench run
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/engine_speed.py
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/cell_speed.py
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/grid_speed.py
	$(BIN)/python bench/train_speed.py

clean:
	rm -rf $(VENV)

# PyTorch first: where its pinned version is already there or built for this machine, nothing pulls another one.
$(VENV)/run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/dev: $(VENV)/run
	$(PIP) --editable '.[dev]'
	touch $@

$(VENV)/bench: $(VENV)/run
	$(PIP) --editable '.[bench]'
	touch $@
