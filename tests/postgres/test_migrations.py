"""Every way to install gives the same schema, any number of times and at once, and goes without a trace."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from servers import POSTGRES
from yoyo.backends.base import DatabaseBackend

from ectojob_py import Jobs
from ectojob_py.errors import SetupError
from ectojob_py.migrate import ROOT, migrate, rollback

from .snapshot import Line, as_text, snapshot

Conn = psycopg.Connection[Any]
Psql = Callable[..., subprocess.CompletedProcess[str]]

DUMP = Path(__file__).parent / "schema.sql.txt"
MIGRATIONS = [
    path.stem for path in sorted((ROOT / "migrations/postgres").glob("*.sql")) if ".rollback" not in path.name
]
SCHEMAS = ["jobs_eu", "Jobs EU", "100%s", "user", 'a "b"']


@pytest.fixture
def psql(request: pytest.FixtureRequest, dsn: str) -> Psql:
    """The server's own psql, on sql/postgres/install.sql."""
    program = POSTGRES[request.node.callspec.params["postgres_server"]] / "psql"

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [str(program), "-X", "-q", "-d", dsn, *options, "-f", str(ROOT / "sql/postgres/install.sql")]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    return run


def yoyo(dsn: str, schema: str, *command: str) -> None:
    """Run yoyo as someone does who has no ectojob: on the folder of migrations, with the schema in the URL."""
    parameters = conninfo_to_dict(dsn)
    url = f"postgresql+psycopg:///{parameters.pop('dbname')}?{urlencode({**parameters, 'schema': schema})}"
    program = Path(sys.executable).with_name("yoyo")
    arguments = [*command, "--batch", "--no-config-file", "--database", url, str(ROOT / "migrations/postgres")]
    subprocess.run([program, *arguments], capture_output=True, text=True, check=True, timeout=60, cwd="/")


def drop(conn: Conn, schema: str = "jobs") -> None:
    conn.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


def create(conn: Conn, schema: str = "jobs") -> None:
    conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))


@pytest.fixture
def migrated(conn: Conn) -> list[Line]:
    """What migrate() has made of the schema jobs, as every test finds it."""
    lines = snapshot(conn)
    assert {kind for kind, _, _ in lines} >= {"relation", "column", "constraint", "index", "trigger", "function", "row"}
    return lines


def test_what_psql_installed_can_be_rolled_back(conn: Conn, dsn: str, migrated: list[Line], psql: Psql) -> None:
    drop(conn)
    psql()
    assert snapshot(conn) == migrated
    assert rollback(dsn) == MIGRATIONS[::-1]
    assert snapshot(conn) == []


# Three ways to the same schema


def test_psql_gives_what_migrate_gives(conn: Conn, migrated: list[Line], psql: Psql) -> None:
    drop(conn)
    done = psql()
    assert snapshot(conn) == migrated
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("path", ["jobs", "jobs, pg_temp", '"jobs",public'])
def test_yoyo_gives_what_migrate_gives(conn: Conn, dsn: str, migrated: list[Line], path: str) -> None:
    drop(conn)
    create(conn)
    yoyo(dsn, path, "apply")
    assert snapshot(conn) == migrated


@pytest.mark.parametrize("setting", ["quote_all_identifiers = on", "standard_conforming_strings = off"])
def test_what_the_database_prefers_changes_nothing(
    conn: Conn, dsn: str, migrated: list[Line], psql: Psql, setting: str
) -> None:
    database = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("alter database {} set {}").format(database, sql.SQL(setting)))
    for deploy in (psql, lambda: migrate(dsn), lambda: yoyo(dsn, "jobs", "apply")):
        drop(conn)
        create(conn)
        deploy()
        assert snapshot(conn) == migrated
        rollback(dsn)
        assert snapshot(conn) == []


def test_functions_that_everybody_could_call_are_no_deploy(conn: Conn) -> None:
    """They are known by their path, as ``format`` writes it."""
    privileges = (ROOT / "sql/postgres/deploy/privileges.sql").read_bytes()
    conn.execute("set search_path = jobs, pg_temp; set quote_all_identifiers = on")
    with pytest.raises(psycopg.errors.UndefinedFunction, match="no function whose search_path is"):
        conn.execute(privileges)
    conn.execute("reset quote_all_identifiers")
    conn.execute(privileges)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_any_schema_will_do(conn: Conn, dsn: str, migrated: list[Line], psql: Psql, schema: str) -> None:
    migrate(dsn, schema)
    assert snapshot(conn, schema) == migrated
    drop(conn, schema)
    psql("-v", f"schema={schema}")
    assert snapshot(conn, schema) == migrated
    jobs = Jobs(conn, schema)
    jobs.enqueue("default")
    [job] = jobs.claim_batch("default", 1)
    jobs.complete("default", job.id, 1)
    migrate(dsn, schema)
    assert rollback(dsn, schema) == MIGRATIONS[::-1]
    assert snapshot(conn, schema) == []


@pytest.mark.parametrize("schema", ["jobs_eu", "Jobs EU"])
def test_any_schema_will_do_for_yoyo(conn: Conn, dsn: str, migrated: list[Line], schema: str) -> None:
    create(conn, schema)
    yoyo(dsn, sql.Identifier(schema).as_string(), "apply")
    assert snapshot(conn, schema) == migrated


def test_whoever_may_create_a_schema_may_install(conn: Conn, dsn: str, migrated: list[Line], psql: Psql) -> None:
    with a_role(conn) as role:
        drop(conn)
        migrate(make_conninfo(dsn, user=role))
        theirs = [(kind, name, text.replace(role, "postgres")) for kind, name, text in snapshot(conn)]
        assert theirs == migrated
        psql("-v", "schema=jobs", "-U", role)
        rollback(make_conninfo(dsn, user=role))
        assert snapshot(conn) == []


@contextmanager
def a_role(conn: Conn) -> Iterator[str]:
    """Roles belong to the whole server, so it goes when the test ends."""
    name = f"builder_of_{conn.info.dbname}"
    role = sql.Identifier(name)
    conn.execute(sql.SQL("create role {} login").format(role))
    conn.execute(sql.SQL("grant create on database {} to {}").format(sql.Identifier(conn.info.dbname), role))
    yield name
    conn.execute(sql.SQL("drop owned by {} cascade").format(role))
    conn.execute(sql.SQL("drop role {}").format(role))


# Again


def test_psql_again_changes_nothing(conn: Conn, migrated: list[Line], psql: Psql) -> None:
    drop(conn)
    psql()
    done = psql()
    assert snapshot(conn) == migrated
    assert (done.stdout, done.stderr) == ("", "")


def test_migrate_again_changes_nothing(conn: Conn, dsn: str, migrated: list[Line]) -> None:
    assert migrate(dsn) == []
    assert snapshot(conn) == migrated


def test_migrate_after_psql_marks_what_is_there(conn: Conn, dsn: str, migrated: list[Line], psql: Psql) -> None:
    drop(conn)
    psql()
    assert migrate(dsn) == []
    assert snapshot(conn) == migrated
    assert rollback(dsn) == MIGRATIONS[::-1]


def test_psql_after_migrate_passes_over_what_is_there(conn: Conn, migrated: list[Line], psql: Psql) -> None:
    done = psql()
    assert snapshot(conn) == migrated
    assert (done.stdout, done.stderr) == ("", "")


def test_jobs_outlive_every_kind_of_upgrade(conn: Conn, dsn: str, psql: Psql) -> None:
    id = Jobs(conn).enqueue("default", {"to": "joe"})
    psql()
    migrate(dsn)
    [job] = Jobs(conn).claim_batch("default", 1)
    assert (job.id, job.params) == (id, {"to": "joe"})


MEDDLING = [
    "create or replace function jobs.version() returns text language plpgsql as $$ begin return 'mine'; end $$",
    "alter function jobs.enqueue reset all",
    "alter function jobs.complete security invoker",
    "grant execute on function jobs.enqueue to public",
    "drop function jobs.requeue",
    "drop view jobs.failed",
    "drop trigger wake_on_insert on jobs.job",
    "comment on function jobs.enqueue is 'mine'",
]


@pytest.mark.parametrize("statement", MEDDLING)
def test_what_was_changed_by_hand_is_restored_though_no_migration_is_pending(
    conn: Conn, dsn: str, migrated: list[Line], psql: Psql, statement: str
) -> None:
    for restore in (lambda: migrate(dsn), psql):
        conn.execute(statement.encode())
        assert snapshot(conn) != migrated
        restore()
        assert snapshot(conn) == migrated


@pytest.mark.parametrize("lost", [*([id] for id in MIGRATIONS), MIGRATIONS])
def test_a_crash_before_yoyos_mark_heals(conn: Conn, dsn: str, migrated: list[Line], lost: list[str]) -> None:
    conn.execute("delete from jobs._yoyo_migration where migration_id = any(%s)", [lost])
    assert migrate(dsn) == []
    assert snapshot(conn) == migrated
    marked = conn.execute("select migration_id from jobs._yoyo_migration order by 1").fetchall()
    assert [row[0] for row in marked if row[0] != "post-apply"] == MIGRATIONS


def test_a_crash_between_two_migrations_heals(conn: Conn, dsn: str, migrated: list[Line]) -> None:
    conn.execute("set search_path to jobs, pg_temp")
    for migration in MIGRATIONS[:0:-1]:
        conn.execute((ROOT / f"migrations/postgres/{migration}.rollback.sql").read_bytes())
    conn.execute("delete from jobs._yoyo_migration where migration_id = any(%s)", [MIGRATIONS[1:]])
    assert migrate(dsn) == MIGRATIONS[1:]
    assert snapshot(conn) == migrated


# Back


def test_rollback_leaves_nothing_and_migrate_brings_it_all_back(conn: Conn, dsn: str, migrated: list[Line]) -> None:
    Jobs(conn).enqueue("default")
    assert rollback(dsn) == MIGRATIONS[::-1]
    assert snapshot(conn) == []
    assert rollback(dsn) == []
    assert migrate(dsn) == MIGRATIONS
    assert snapshot(conn) == migrated


def test_yoyo_undoes_it_too(conn: Conn, dsn: str) -> None:
    yoyo(dsn, "jobs", "rollback", "--all")
    assert snapshot(conn) == []


def test_each_migration_undoes_exactly_what_it_did(conn: Conn) -> None:
    drop(conn)
    create(conn)
    conn.execute("set search_path to jobs, pg_temp")
    before = [snapshot(conn)]
    paths = [path for path in sorted((ROOT / "migrations/postgres").glob("*.sql")) if ".rollback" not in path.name]
    for path in paths:
        conn.execute(path.read_bytes())
        before.append(snapshot(conn))
    for path in reversed(paths):
        before.pop()
        conn.execute(path.with_name(f"{path.stem}.rollback.sql").read_bytes())
        assert snapshot(conn) == before[-1]


def test_what_others_keep_in_the_schema_stays(conn: Conn, dsn: str, migrated: list[Line]) -> None:
    drop(conn)
    create(conn)
    conn.execute("""
        create table jobs.theirs (id integer primary key);
        create view jobs.their_view as select * from jobs.theirs;
        create function jobs.their_function() returns integer language sql as 'select 1';
        create function jobs.their_pinned_function() returns integer language sql set search_path = '' as 'select 1';
        comment on table jobs.theirs is 'theirs';
    """)
    theirs = snapshot(conn)
    migrate(dsn)
    assert sorted(snapshot(conn)) == sorted(migrated + theirs)
    rollback(dsn)
    assert snapshot(conn) == theirs


def test_two_installations_are_independent(conn: Conn, dsn: str, migrated: list[Line]) -> None:
    migrate(dsn, "jobs_eu")
    id = Jobs(conn).enqueue("default")
    assert Jobs(conn, "jobs_eu").claim_batch("default", 1) == []
    rollback(dsn, "jobs_eu")
    assert snapshot(conn) == migrated
    assert [job.id for job in Jobs(conn).claim_batch("default", 1)] == [id]


# At once


@pytest.mark.parametrize("first_time", [True, False], ids=["first time", "again"])
def test_any_number_of_migrators_at_once(
    conn: Conn, dsn: str, migrated: list[Line], request: pytest.FixtureRequest, first_time: bool
) -> None:
    if first_time:
        drop(conn)
    program = POSTGRES[request.node.callspec.params["postgres_server"]] / "psql"
    deploy = f"from ectojob_py.migrate import migrate; print(len(migrate({dsn!r})))"
    commands = [[sys.executable, "-c", deploy]] * 3 + [
        [str(program), "-X", "-q", "-d", dsn, "-f", str(ROOT / "sql/postgres/install.sql")]
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for command in commands
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in started]
    assert [code for _, code in ended] == [0] * 4, ended
    assert sum(int(out or 0) for (out, _), _ in ended) in ({0, len(MIGRATIONS)} if first_time else {0})
    assert snapshot(conn) == migrated


def test_a_lock_that_yoyo_left_behind_is_explained(conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = DatabaseBackend.lock
    monkeypatch.setattr(DatabaseBackend, "lock", lambda self: patient(self, timeout=0.01))
    conn.execute("insert into jobs.yoyo_lock (locked, ctime, pid) values (1, now(), 4711)")
    with pytest.raises(SetupError, match="4711") as caught:
        migrate(dsn)
    assert "delete from" in caught.value.hint
    with pytest.raises(SetupError):
        rollback(dsn)
    conn.execute("delete from jobs.yoyo_lock")
    assert migrate(dsn) == []


def test_a_migrator_that_fails_leaves_no_lock(conn: Conn, dsn: str) -> None:
    conn.execute("create function jobs.version(text) returns text language sql as 'select 1'")
    conn.execute("drop view jobs.failed; create table jobs.failed (id integer)")
    with pytest.raises(Exception, match="failed"):
        migrate(dsn)
    conn.execute("drop table jobs.failed; drop function jobs.version(text)")
    assert migrate(dsn) == []


# The committed snapshot


def test_the_committed_snapshot_is_the_schema(conn: Conn, migrated: list[Line]) -> None:
    """Delete ``schema.sql.txt`` and run this test to write it anew; its diff is a change's effect on the database."""
    text = as_text(migrated)
    if not DUMP.exists():
        DUMP.write_text(text)
        pytest.fail(f"{DUMP.name} was written: look at its diff, and commit it")
    committed = DUMP.read_text()
    if conn.info.server_version < 160000:  # tells a view's text with the table before each column
        committed, text = (whole.partition("\nview's text ")[0] for whole in (committed, text))
    assert committed.splitlines() == text.splitlines()
