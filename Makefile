# The ten commands of this repository. Each does its own set-up; all that is needed is Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint requirements.lock
ARGS ?=
SEEDS ?= 20
SECONDS ?= 60
JOBS ?= 1
SCHEDULES ?= 100000
SEED ?=

.PHONY: demo test lint fmt bench torture up down lock clean

demo: $(VENV)/.demo
	$(BIN)/framemeter demo $(ARGS)

# In the order of the files, so that the long acceptance tests come first and both cores end together.
test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

# The protocols simulated, then real processes. SEED=n runs one seed of those again; what was broken
# is kept in .framemeter/torture.
torture: $(VENV)/.dev
	$(if $(SEED),,$(BIN)/python -m tests.simulation --schedules $(SCHEDULES) --jobs $(JOBS))
	$(BIN)/python -m tests.torture --seeds $(SEEDS) --seconds $(SECONDS) --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ARGS)

up down: $(VENV)/.demo
	$(BIN)/framemeter $@ $(ARGS)

lock: $(VENV)/.uv
	$(UV) pip compile pyproject.toml --all-extras --universal --no-emit-index-url --no-header --no-annotate --python-version 3.11 --quiet --output-file requirements.lock $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "framemeter needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	touch $@

# What the demo needs: no torch, under 1 GB.
$(VENV)/.demo: $(VENV)/.uv pyproject.toml requirements.lock
	$(INSTALL) --editable '.[local,cpu]'
	touch $@

$(VENV)/.dev: $(VENV)/.uv pyproject.toml requirements.lock
	$(INSTALL) --editable '.[local,cpu,gpu,archive,int8,onnx,dev]'
	touch $@ $(VENV)/.demo
