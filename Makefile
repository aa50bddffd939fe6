# Two commands: `make run` (set up and run a demonstration cell) and `make test` (set up and pass the tests).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

export HF_HUB_OFFLINE := 1

.PHONY: run test nightly check bench install dev clean
.DEFAULT_GOAL := run

run: install
	$(BIN)/domicile demo

test: dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Twenty times as many generated policies as `make test` makes; some minutes.
nightly: dev
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/security/test_generated_policies.py tests/unit/policy/test_compilable.py $(PYTEST_ARGS)

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: dev
	$(BIN)/python -m tests.benchmarks

install: $(VENV)/.installed
dev: $(VENV)/.dev

# torch comes first and alone, so that the build that pip is configured with is taken and nothing pulls in another.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed; name one with PYTHON=…' >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo 'Install the venv module of your Python first (on Debian: apt-get install python3-venv).' >&2; exit 2; }
	@echo 'Installing Domicile into $(VENV); the first time this takes a few minutes.'
	$(PIP) --upgrade pip
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
