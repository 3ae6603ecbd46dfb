"""``ectojob migrate``, and back."""

import os
import pty
import subprocess
from typing import Any

import psycopg

from cli.conftest import Command, Start
from ectojob_py.client import Jobs
from ectojob_py.migrate import ROOT

MIGRATIONS = [
    path.stem for path in sorted((ROOT / "migrations/postgres").glob("*.sql")) if ".rollback" not in path.name
]


def test_it_says_what_it_did(ectojob: Command, conn: psycopg.Connection[Any]) -> None:
    version = Jobs(conn).version()
    first = ectojob("migrate", "--schema", "shop")
    assert first.code == 0
    assert first.out.splitlines() == [
        *(f"applied {id}" for id in MIGRATIONS),
        "reloaded functions, triggers and views",
        f"ectojob {version} is installed in schema shop",
    ]
    again = ectojob("migrate", "--schema", "shop")
    assert again.out.splitlines()[0] == "no migration was pending"
    document = ectojob("migrate", "--schema", "shop", "--json").document
    assert document == {"schema": "shop", "applied": [], "reloaded": True, "version": version}


def test_it_reloads_functions_when_nothing_is_pending(ectojob: Command, conn: psycopg.Connection[Any]) -> None:
    conn.execute("drop function jobs.next_due")
    assert ectojob("migrate").code == 0
    assert Jobs(conn).next_due("default") is None


def test_rollback_asks_first(ectojob: Command, conn: psycopg.Connection[Any]) -> None:
    Jobs(conn).enqueue("default")
    for args in (["migrate", "--rollback"], ["migrate", "--rollback", "--json"]):
        result = ectojob(*args, stdin="y\n")
        assert (result.code, result.out) == (2, "")
        assert "--yes" in result.err
    assert ectojob("jobs").out.count("AVAILABLE") == 1

    done = ectojob("migrate", "--rollback", "--yes", "--json")
    assert (done.code, done.document) == (0, {"schema": "jobs", "rolled_back": MIGRATIONS[::-1]})
    assert ectojob("jobs").code == 1
    assert ectojob("migrate", "--rollback", "--yes").out == "there was nothing to roll back\n"


def test_rollback_takes_no_for_an_answer(start: Start, ectojob: Command) -> None:
    controller, terminal = pty.openpty()
    process = start("migrate", "--rollback", stdin=terminal)
    assert process.stderr
    question = "".join(iter(lambda: process.stderr.read(1) if process.stderr else "", "?"))
    assert "with 0 jobs" in question
    os.write(controller, b"n\n")
    assert process.wait(20) == 1
    assert ectojob("queues").code == 0

    process = start("migrate", "--rollback", stdin=terminal, stderr=subprocess.DEVNULL)
    os.write(controller, b"y\n")
    assert process.wait(20) == 0
    assert ectojob("queues").code == 1
    os.close(controller)
    os.close(terminal)
