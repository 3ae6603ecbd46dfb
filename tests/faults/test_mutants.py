"""The tests notice when the SQL is wrong: every fault in the list is killed by the test it names."""

import subprocess
import sys

import pytest

from .conftest import DATABASES
from .mutation import FAULTS, ROOT


def test_as_many_are_promised_as_there_are() -> None:
    counts = f"{len(FAULTS['postgres-18'])} faults for PostgreSQL and {len(FAULTS['mariadb'])} for MySQL and MariaDB"
    assert counts in (ROOT / "docs" / "reliability.md").read_text()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("db", [db for db in DATABASES if db in FAULTS])
def test_no_mutant_lives(db: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.mutation", db], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("killed ") == len(FAULTS[db])
