# Set-up and checks. `VENV=path` uses another virtual environment, `PYTHON=python3.12` another Python.
VENV   ?= .venv
PYTHON ?= python3
JOBS   ?= 2
BIN    := $(VENV)/bin

.PHONY: demo test lint types imports check clean

## demo: train the book's multi-layer perceptron on the digits that scikit-learn brings along
demo: $(VENV)/.installed-models
	$(BIN)/arignote train mlp

## test: all tests
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS)

## lint: style and banned imports
lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

## types: mypy --strict
types: $(VENV)/.installed-dev
	$(BIN)/python -m mypy

## imports: the folders import each other in one direction only
imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

## check: everything that .ci/run checks, except for the wheel
check: lint types imports test

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Editable: new files, modules and subpackages appear without installing again. Dependencies are
# installed again when they change, i.e. when pyproject.toml is newer than the last installation.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@
