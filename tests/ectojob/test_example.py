"""The example that moves a shop from EctoJob to ectojob is run, from end to end."""

import subprocess
import sys
from typing import Any

import psycopg

from ectojob_py.migrate import ROOT

PROGRAM = ROOT / "examples/from_ectojob/move.py"


def test_the_move_loses_and_doubles_nothing(conn: psycopg.Connection[Any], dsn: str) -> None:
    done = subprocess.run([sys.executable, str(PROGRAM), dsn], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = [line.split(":")[0].strip() for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert said == ["before", "step 1", "step 2", "step 3", "audit"]
    assert conn.execute("select relname from pg_class where relnamespace = 'public'::regnamespace").fetchall() == []
    assert conn.execute("select from jobs.job").fetchall() == []


def test_it_says_how_to_call_it() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "move.py postgresql://" in done.stderr
