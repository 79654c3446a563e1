# make bert   sets up .venv with the package and runs examples/bert.py
# make test   sets up .venv with the package and its test tools, and passes all tests
# Both install the package as users get it (a wheel), again whenever a source has changed. For an editable install see
# CONTRIBUTING.md.

VENV ?= .venv
# The first Python of a supported version.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BERT_FLAGS ?=
PYTEST_FLAGS ?= -n 2 --dist worksteal

BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE \
	$(shell find python dialects passes runtime -type f -not -name '*.py[co]')

.PHONY: bert test lint lit pytest format clean

bert: $(VENV)/.package
	$(BIN)/python examples/bert.py $(BERT_FLAGS)

test: lint lit pytest

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lit: $(VENV)/.test
	$(BIN)/lit -v test

pytest: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo 'make: needs Python 3.11, 3.12 or 3.13 (or make PYTHON=...)' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: $(SOURCES) | $(BIN)/pip
	$(BIN)/pip install --quiet .
	touch $@

$(VENV)/.test: $(SOURCES) | $(BIN)/pip
	$(BIN)/pip install --quiet '.[test]'
	touch $(VENV)/.package $@

clean:
	rm -rf $(VENV) build dist
