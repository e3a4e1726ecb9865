# Everything a newcomer needs: `make run` builds the default grid, `make test` checks the project.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JS := $(VENV)/js
# Exact versions, and no lock file: that would name the registry from which somebody took them.
JS_PACKAGES := typescript@7.0.2 eslint@10.15.0 @eslint/js@10.0.1
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check check-js bench slow crate-check schemas clean

run: $(VENV)/run
	$(BIN)/prunemark build

# In the order of folders: the engines' few tests take longest, and last they would leave a core idle.
test: $(VENV)/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

slow: $(VENV)/dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow

check: $(VENV)/dev check-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --lint

# The page's scripts: types by TypeScript (tsconfig.json), then the linter (eslint.config.cjs).
check-js: $(JS)/done
	PATH="$(CURDIR)/$(BIN):$$PATH" $(JS)/node_modules/.bin/tsc --project tsconfig.json
	PATH="$(CURDIR)/$(BIN):$$PATH" NODE_PATH=$(JS)/node_modules $(JS)/node_modules/.bin/eslint src/prunemark/page

# roc-validator pins packages that prunemark uses in other versions, so it has an environment of its own; rocrate 0.13
# is the one that holds a copy of RO-Crate 1.1's terms.
crate-check: $(VENV)/dev $(VENV)-crate/done
	PRUNEMARK_ROC_PYTHON="$(CURDIR)/$(VENV)-crate/bin/python" PATH="$(CURDIR)/$(BIN):$$PATH" \
	$(BIN)/python -m pytest tests/evidence -k roc_validator

bench: $(VENV)/bench run
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/engine_speed.py
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/cell_speed.py
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python bench/grid_speed.py
	$(BIN)/python bench/train_speed.py

schemas: $(VENV)/dev
	$(BIN)/python docs/schemas/generate.py

clean:
	rm -rf $(VENV) $(VENV)-crate

# PyTorch first: where its pinned version is already there or built for this machine, nothing pulls another one.
$(VENV)/run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/dev: $(VENV)/run
	$(PIP) --editable '.[dev]'
	touch $@

# Node.js and npm come from the dev extra.
$(JS)/done: $(VENV)/dev Makefile
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --prefix $(JS) --no-save --no-package-lock --no-audit --no-fund \
	--ignore-scripts --loglevel error $(JS_PACKAGES)
	touch $@

$(VENV)/bench: $(VENV)/run
	$(PIP) --editable '.[bench]'
	touch $@

$(VENV)-crate/done:
	$(PYTHON) -m venv $(VENV)-crate
	$(VENV)-crate/bin/python -m pip install --quiet --disable-pip-version-check roc-validator==0.13.0 rocrate==0.13.0
	touch $@
