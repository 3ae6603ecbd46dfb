"""Deploying while others call: clean on MariaDB, a moment that the client bridges on MySQL."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pymysql
import pytest
from contract.harness import Db
from pymysql.cursors import Cursor
from yoyo import get_backend, read_migrations

from ectojob_py import Jobs
from ectojob_py.errors import SetupError
from ectojob_py.migrate import ROOT, migrate, rollback

from .conftest import Ask, Connect, Connection, socket_of


def test_callers_do_not_notice_a_redeploy(db: Db, dsn: str, connect: Connect) -> None:
    done = Event()

    def calls(jobs: Jobs) -> int:
        count = 0
        while not done.is_set():
            jobs.enqueue("default")
            for job in jobs.claim_batch("default", 2):
                jobs.complete("default", job.id, job.attempt)
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        callers = [pool.submit(calls, Jobs(connect())) for _ in range(2)]
        try:
            for _ in range(3):
                assert migrate(dsn) == []
        finally:
            done.set()
        rounds = sum(caller.result(60) for caller in callers)
    while jobs := db.jobs.claim_batch("default", 100):
        for job in jobs:
            db.jobs.complete("default", job.id, job.attempt)
    assert rounds > 0
    assert db.all_jobs() == []


def test_a_procedure_that_is_lost_comes_back(db: Db, dsn: str, ask: Ask) -> None:
    ask("drop procedure next_due")
    assert migrate(dsn) == []
    assert db.jobs.next_due("default") is None


def test_migrators_take_turns(dsn: str, ask: Ask) -> None:
    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda _: migrate(dsn, "short lived"), range(3)))
    ask("drop database `short lived`")
    assert sorted(applied, key=len) == [[], [], ["0001_queue", "0002_job"]]


@pytest.fixture
def turn(ask: Ask, connect: Connect) -> Connection:
    """A connection that has the migrators' turn, as ``install.sql`` does while it runs."""
    conn = connect()
    assert ask("select get_lock(concat('ectojob migrate ', left(sha2('jobs', 256), 40)), 0)", on=conn) == [(1,)]
    return conn


def yoyo_reload(dsn: str) -> None:
    """Reload as plain ``yoyo apply`` does when a migration was pending."""
    with get_backend(dsn.replace("root@/", "root@/jobs")) as backend:
        backend.run_post_apply(read_migrations(str(ROOT / "migrations/mysql")))


def test_plain_yoyo_takes_turns_with_other_migrators(db: Db, dsn: str, ask: Ask, turn: Connection) -> None:
    socket_of(dsn)  # yoyo has no word for other settings
    ask("drop procedure next_due")
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(yoyo_reload, dsn)
        while ask("select count(*) from information_schema.processlist where state = 'User lock'") != [(1,)]:
            assert not reload.done()
        assert ask("select routine_name from information_schema.routines where routine_name = 'next_due'") == []
        turn.close()
        reload.result(60)
    assert db.jobs.next_due("default") is None


@pytest.mark.usefixtures("turn")
def test_plain_yoyo_says_so_when_its_turn_never_comes(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    socket_of(dsn)
    execute = Cursor.execute

    def at_once(cursor: Any, query: str, args: object = None) -> Any:
        return execute(cursor, query.replace("3600", "0"), args)

    monkeypatch.setattr(Cursor, "execute", at_once)
    with pytest.raises(RuntimeError, match="another migrator"):
        yoyo_reload(dsn)


@pytest.mark.parametrize("lost", ["end_call", "give_batch"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_a_call_that_lacks_a_procedure_says_so_and_changes_nothing(
    db: Db, dsn: str, connect: Connect, ask: Ask, lost: str, autocommit: bool
) -> None:
    db.jobs.enqueue("default")
    conn = connect(autocommit=autocommit)
    ask(f"drop procedure {lost}")
    try:
        with db.changes_nothing():
            with pytest.raises(pymysql.OperationalError, match=lost):
                ask("call claim_batch('default', 1, null)", on=conn)
            conn.commit()
    finally:
        migrate(dsn)


@pytest.mark.parametrize(("setting", "value", "mysqls"), [("sql_safe_updates", 1, 1), ("sql_mode", "ORACLE", "ANSI")])
def test_a_deploy_goes_by_no_preference_of_the_server(
    dsn: str, ask: Ask, setting: str, value: object, mysqls: object
) -> None:
    [(version, before)] = ask(f"select version(), @@global.{setting}")
    ask(f"set global {setting} = %s", value if "MariaDB" in version else mysqls)
    try:
        applied = migrate(dsn, "short lived", roles=True)
        migrate(dsn, "short lived", roles=False)
        undone = rollback(dsn, "short lived")
    finally:
        ask(f"set global {setting} = %s", before)
        ask("drop database `short lived`")
    assert applied == ["0001_queue", "0002_job"]
    assert undone == ["0002_job", "0001_queue"]


@pytest.mark.parametrize("table", ["migration", "queue", "job"])
def test_a_table_of_another_application_is_not_taken_for_ours(dsn: str, ask: Ask, table: str) -> None:
    ask("create database `short lived`")
    try:
        ask(f"create table `short lived`.{table} (id int primary key, payload text)")
        ask(f"insert into `short lived`.{table} values (1, 'precious')")
        with pytest.raises(SetupError, match=f"has a table {table} that is not ectojob's"):
            migrate(dsn, "short lived")
        assert ask(f"select * from `short lived`.{table}") == [(1, "precious")]
        assert ask("select count(*) from information_schema.tables where table_schema = 'short lived'") == [(1,)]
    finally:
        ask("drop database `short lived`")


@pytest.mark.parametrize("table", ["migration", "queue"])
def test_nor_does_yoyo_drop_it_when_it_gives_up(dsn: str, ask: Ask, table: str) -> None:
    ask("create database `short lived`")
    try:
        ask(f"create table `short lived`.{table} (id int primary key, payload text)")
        ask(f"insert into `short lived`.{table} values (1, 'precious')")
        with get_backend(dsn.replace("/?", "/short lived?")) as backend:
            migrations = read_migrations(str(ROOT / "migrations/mysql"))
            with pytest.raises(pymysql.OperationalError, match="Unknown column"):
                backend.apply_migrations_only(backend.to_apply(migrations))
        assert ask(f"select * from `short lived`.{table}") == [(1, "precious")]
    finally:
        ask("drop database `short lived`")
