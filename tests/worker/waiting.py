"""Waiting for something that is known to come, without a sleep that guesses when."""

import subprocess
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as the condition is true; fail the test when it isn't in time."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it never came true"
        sleep(0.01)


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Return the next line of a process's log that has the text; fail the test when the log ends without one."""
    assert process.stderr
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return line
    pytest.fail(f"no {text!r} in {seen}")


def asleep(conn: psycopg.Connection[Any]) -> int:
    """How many idle workers sleep; one that only looks yet whether it can start has a session, too, but doesn't."""
    query = (
        "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted "
        "and database = (select oid from pg_database where datname = current_database())"
    )
    [(sleepers,)] = conn.execute(query).fetchall()
    return int(sleepers)


class Clock:
    """A ``monotonic`` that stands still unless moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
