"""``ectojob migrate``, and back."""

import os
import pty
import subprocess

import pytest
from contract.harness import Db

from cli.conftest import Ask, Command, Start
from ectojob_py.engine import kind_of
from ectojob_py.migrate import ROOT

EU = ["--schema", "jobs_eu"]


@pytest.fixture
def migrations(dsn: str) -> list[str]:
    """The ids, in order."""
    folder = ROOT / "migrations" / kind_of(dsn)
    return [path.stem for path in sorted(folder.glob("*.sql")) if ".rollback" not in path.name]


def test_it_says_what_it_did(ectojob: Command, db: Db, migrations: list[str]) -> None:
    version = db.jobs.version()
    first = ectojob("migrate", *EU)
    assert first.code == 0
    assert first.out.splitlines() == [
        *(f"applied {id}" for id in migrations),
        "reloaded functions, triggers and views",
        f"ectojob {version} is installed in schema jobs_eu",
    ]
    again = ectojob("migrate", *EU)
    assert again.out.splitlines()[0] == "no migration was pending"
    document = ectojob("migrate", *EU, "--json").document
    assert document == {"schema": "jobs_eu", "applied": [], "reloaded": True, "version": version}


def test_it_reloads_functions_when_nothing_is_pending(ectojob: Command, db: Db, ask: Ask, dsn: str) -> None:
    ask(f"drop {'procedure' if dsn.startswith('mysql:') else 'function'} jobs.next_due")
    assert ectojob("migrate").code == 0
    assert db.jobs.next_due("default") is None


def test_who_may_not_deploy_is_told_who_may(ectojob: Command, ask: Ask, dsn: str) -> None:
    if dsn.startswith("mysql:"):
        ask("create user stranger")
        stranger, there, to_be = dsn.replace("root", "stranger"), "privileges on database jobs;", "on database jobs_eu;"
    else:
        ask("create role stranger login")
        stranger, there, to_be = f"{dsn} user=stranger", "role jobs_owner, which owns", "CREATE on database cli"
    try:
        assert ectojob("migrate", "--roles").code == 0
        for args, says in ([], there), (["--roles"], there), (["--rollback", "--yes"], there), (EU, to_be):
            result = ectojob("migrate", *args, "--dsn", stranger)
            assert result.code == 1, args
            assert [line.partition(":")[0] for line in result.err.splitlines()] == ["error", "hint"], result.err
            assert "denied" in result.err, args
            assert says in result.err, args
        assert ectojob("queues").code == 0
    finally:
        ectojob("migrate", "--no-roles")
        ask("drop user stranger")


def test_who_may_create_in_the_schema_but_owns_nothing_is_told_who_does(ectojob: Command, ask: Ask, dsn: str) -> None:
    if dsn.startswith("mysql:"):
        pytest.skip("nothing has an owner there")
    ask("create role stranger login")
    try:
        ask("grant all on schema jobs to stranger")
        ask("grant all on all tables in schema jobs to stranger")
        ask("grant execute on function jobs.version to stranger")
        result = ectojob("migrate", "--dsn", f"{dsn} user=stranger")
        assert result.code == 1
        assert "must be owner of" in result.err
        assert "hint: Deploying takes role postgres, which owns schema jobs, or a member of it" in result.err
    finally:
        ask("drop owned by stranger")
        ask("drop role stranger")


def test_rollback_asks_first(ectojob: Command, migrations: list[str]) -> None:
    ectojob("migrate", *EU)
    ectojob("enqueue", "default", *EU)
    for args in (["migrate", "--rollback"], ["migrate", "--rollback", "--json"]):
        result = ectojob(*args, *EU, stdin="y\n")
        assert (result.code, result.out) == (2, "")
        assert "--yes" in result.err
    assert ectojob("jobs", *EU).out.count("AVAILABLE") == 1

    done = ectojob("migrate", "--rollback", "--yes", "--json", *EU)
    assert (done.code, done.document) == (0, {"schema": "jobs_eu", "rolled_back": migrations[::-1]})
    assert ectojob("jobs", *EU).code == 1
    assert ectojob("migrate", "--rollback", "--yes", *EU).out == "there was nothing to roll back\n"


def test_rollback_creates_nothing(ectojob: Command, ask: Ask, dsn: str) -> None:
    tables = "select table_name from information_schema.tables where table_schema = 'jobs_eu'"
    schemas = "select schema_name from information_schema.schemata where schema_name = 'jobs_eu'"
    done = ectojob("migrate", "--rollback", "--yes", *EU)
    assert (done.code, done.out) == (0, "there was nothing to roll back\n")
    assert ask(schemas) == []
    ask(f"create {'database' if dsn.startswith('mysql:') else 'schema'} jobs_eu")
    assert ectojob("migrate", "--rollback", "--yes", "--json", *EU).document == {"schema": "jobs_eu", "rolled_back": []}
    assert ask(tables) == []


def test_rollback_takes_no_for_an_answer(start: Start, ectojob: Command) -> None:
    ectojob("migrate", *EU)
    controller, terminal = pty.openpty()
    process = start("migrate", "--rollback", *EU, stdin=terminal)
    assert process.stderr
    question = "".join(iter(lambda: process.stderr.read(1) if process.stderr else "", "?"))
    assert "jobs_eu" in question
    assert "with 0 jobs" in question
    os.write(controller, b"n\n")
    assert process.wait(20) == 1
    assert ectojob("queues", *EU).code == 0

    process = start("migrate", "--rollback", *EU, stdin=terminal, stderr=subprocess.DEVNULL)
    os.write(controller, b"y\n")
    assert process.wait(20) == 0
    assert ectojob("queues", *EU).code == 1
    os.close(controller)
    os.close(terminal)
