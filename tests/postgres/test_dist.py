"""The one file that ``make dist`` writes installs what the folder installs."""

import subprocess
from typing import Any

import psycopg
from psycopg import sql

from ectojob_py.embedded import VERSIONS, binaries
from ectojob_py.migrate import ROOT

from .snapshot import snapshot


def test_the_one_file_script_gives_the_same_schema(conn: psycopg.Connection[Any], dsn: str) -> None:
    script = subprocess.run(
        ["awk", "-f", "sql/postgres/one_file.awk", "sql/postgres/install.sql"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "\\ir" not in script
    delivered = snapshot(conn)
    conn.execute(sql.SQL("drop schema jobs cascade"))
    psql = [str(binaries(max(VERSIONS)) / "psql"), "-X", "-q", "-d", dsn]
    done = subprocess.run(psql, input=script, check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert snapshot(conn) == delivered
