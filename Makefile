# Needs make and Python 3.10 or later (with its venv module), nothing else. PYTHON=python3.12 chooses another one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help test lint types pytest demo bench soak postgres matrix docs screenshots format clean

help:
	@echo "make demo    build the example shop with dbt, refresh it in the sandbox, show the result"
	@echo "make test    every check: ruff, mypy, pytest with real dbt on DuckDB"
	@echo "make bench   the benchmarks"
	@echo "make soak    the long forms of tests: 20,000 refreshes with faults, every kill, every fault, much damage"
	@echo "make postgres  the ledger on a PostgreSQL server of the system's packages"
	@echo "make matrix  every dbt and Python that can be installed here"
	@echo "make docs    write docs/commands.md"
	@echo "make screenshots  the pictures in docs/images, with Chromium"
	@echo "make format  let ruff format the code"
	@echo "make clean   remove what the others made"

$(READY): pyproject.toml
	@echo "== making $(VENV): dbt-anymetrics, dbt-core with DuckDB, and the tools of the checks"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

test: lint types pytest

lint: $(READY)
	@echo "== ruff"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	@echo "== mypy"
	$(BIN)/mypy

pytest: $(READY)
	@echo "== pytest"
	$(BIN)/pytest --numprocesses auto --dist worksteal

demo: $(READY)
	@$(BIN)/python integration_tests/demo.py

bench: $(READY)
	@$(BIN)/python -m benchmarks

soak: $(READY)
	$(BIN)/pytest --numprocesses auto --dist worksteal -m slow tests
	$(BIN)/pytest tests/soak.py

postgres: $(READY)
	TEST_POSTGRES=1 $(BIN)/pytest tests/unit/ledger

matrix: $(READY)
	$(BIN)/nox

docs: $(READY)
	$(BIN)/python docs/make_commands.py

screenshots: $(READY)
	@$(BIN)/python docs/make_screenshots.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache dist
	rm -rf integration_tests/target integration_tests/logs integration_tests/dbt_packages integration_tests/*.duckdb*
