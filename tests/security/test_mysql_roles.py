"""How roles come, stay through deploys, and go, on MySQL and MariaDB."""

import logging
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pymysql
import pytest
from mysql.conftest import socket_of
from mysql.servers import MYSQL
from pymysql.cursors import Cursor
from yoyo import get_backend, read_migrations

from ectojob_py import Jobs
from ectojob_py.migrate import ROOT, migrate
from ectojob_py.mysql.calls import MysqlCalls
from ectojob_py.mysql.connection import connect

DATABASE = "jobs_eu"
SQL = ROOT / "sql/mysql"
OBJECTS = (
    "select routine_name, definer from information_schema.routines where routine_schema = %s "
    "union all select table_name, definer from information_schema.views where table_schema = %s"
)
Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(params=MYSQL)
def dsn(request: pytest.FixtureRequest, mysql_at: Callable[[str], str]) -> str:
    return mysql_at(request.param)


@pytest.fixture
def ask(dsn: str) -> Iterator[Ask]:
    """Ask as an administrator; database jobs_eu and all accounts named after it are gone in the end."""
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:

        def ask(query: str, *args: object) -> list[tuple[Any, ...]]:
            cursor.execute(query, args)
            return list(cursor.fetchall())

        yield ask
        migrate(dsn, DATABASE, roles=False)
        ask(f"drop database {DATABASE}")
        assert accounts(ask) == set()


def accounts(ask: Ask) -> set[str]:
    return {row[0] for row in ask("select user from mysql.user where user like 'jobs\\_eu\\_%%'")}


def definers(ask: Ask) -> set[str]:
    return {row[1] for row in ask(OBJECTS, DATABASE, DATABASE)}


def grants(ask: Ask) -> set[tuple[Any, ...]]:
    routines = ask("select user, routine_name, proc_priv from mysql.procs_priv where db = %s", DATABASE)
    views = ask("select user, table_name, table_priv from mysql.tables_priv where db = %s", DATABASE)
    return {row for row in [*routines, *views] if row[0] != "root"}


def test_they_come_stay_and_go(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE)
    plain = ask(OBJECTS, DATABASE, DATABASE)
    assert grants(ask) == set()
    for roles in (True, None, True):
        migrate(dsn, DATABASE, roles=roles)
        assert definers(ask) == {"jobs_eu_owner@localhost"}
        assert accounts(ask) == {f"{DATABASE}_{role}" for role in ("owner", "producer", "worker", "reader", "admin")}
        assert len(grants(ask)) == 44
    migrate(dsn, DATABASE, roles=False)
    assert sorted(ask(OBJECTS, DATABASE, DATABASE)) == sorted(plain)
    assert grants(ask) == set()
    assert accounts(ask) == set()


@pytest.mark.parametrize("lost", ["version", "enqueue"])
def test_a_deploy_that_was_cut_off_takes_no_role_away(dsn: str, ask: Ask, lost: str) -> None:
    migrate(dsn, DATABASE, roles=True)
    before = grants(ask)
    ask(f"drop procedure {DATABASE}.{lost}")
    migrate(dsn, DATABASE)
    assert definers(ask) == {"jobs_eu_owner@localhost"}
    assert grants(ask) == before


@pytest.mark.skipif(not shutil.which("mariadb"), reason="needs the mariadb client")
def test_the_client_leaves_an_installation_with_roles_alone(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE, roles=True)
    before = (definers(ask), grants(ask), ask("select routine_name, created from information_schema.routines"))
    command = ["mariadb", "--no-defaults", "--comments", "-uroot", f"--socket={socket_of(dsn)}", DATABASE]
    with (SQL / "install.sql").open() as script:
        done = subprocess.run(command, check=False, stdin=script, cwd=SQL, capture_output=True, text=True)
    assert "there are roles here: use ectojob migrate" in done.stderr
    assert done.returncode == 1
    assert (definers(ask), grants(ask), ask("select routine_name, created from information_schema.routines")) == before


def test_nobody_logs_in_as_the_definer(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE, roles=True)
    with pytest.raises(pymysql.OperationalError, match=r"locked|Access denied"):
        connect(dsn.replace("root@", "jobs_eu_owner@"))


@contextmanager
def logins(ask: Ask, *roles: str) -> Iterator[None]:
    """A login for each role, jobs_eu_a_<role>, for as long as this lasts."""
    on_mariadb = "MariaDB" in ask("select version()")[0][0]
    for role in roles:
        name = f"{DATABASE}_a_{role}"
        ask(f"create user {name}@localhost")
        ask(f"grant {DATABASE}_{role} to {name}@localhost")
        ask(f"set default role {DATABASE}_{role} {'for' if on_mariadb else 'to'} {name}@localhost")
    try:
        yield
    finally:
        for role in roles:
            ask(f"drop user {DATABASE}_a_{role}@localhost")


@contextmanager
def logged_in(dsn: str, role: str) -> Iterator[Jobs]:
    """The functions as a member of a role calls them."""
    with closing(connect(dsn.replace("root@", f"{DATABASE}_a_{role}@"), autocommit=True)) as conn:
        yield Jobs(conn, DATABASE)


def test_a_sleeping_worker_is_woken_by_another_account(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE, roles=True)
    woken: list[object] = []
    with (
        logins(ask, "producer", "worker"),
        closing(connect(dsn.replace("root@", f"{DATABASE}_a_worker@"), autocommit=True)) as worker,
        logged_in(dsn, "producer") as producer,
    ):

        def sleep() -> None:
            try:
                woken.append(MysqlCalls(worker, DATABASE).value("wait_for_job", "default", 100))
            except pymysql.MySQLError as error:
                woken.append(error.args[0])

        thread = threading.Thread(target=sleep, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        query = "select count(*) from information_schema.processlist where id = %s and state = 'User sleep'"
        while ask(query, worker.thread_id()) != [(1,)]:
            assert time.monotonic() < deadline, "it never slept"
            time.sleep(0.02)
        producer.enqueue("default")
        thread.join(20)
    assert woken in ([1], [1317])  # MySQL and MariaDB


def yoyo_reload(dsn: str, schema: str) -> list[str]:
    """Reload as plain ``yoyo apply`` does when a migration was pending."""
    with get_backend(dsn.replace("root@/", f"root@/{schema}")) as backend:
        backend.run_post_apply(read_migrations(str(ROOT / "migrations/mysql")))
    return []


@pytest.mark.parametrize(
    ("deploy", "owed"),
    [
        (migrate, r"^create .*procedure enqueue\("),
        (migrate, "^grant .*`enqueue` to"),
        (yoyo_reload, "^grant .*`enqueue` to"),
    ],
)
def test_a_call_waits_for_a_deploy_that_owes_its_procedure_or_its_right(
    dsn: str, ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, deploy: Any, owed: str
) -> None:
    """MariaDB owes neither: there a procedure is replaced, and keeps its rights."""
    migrate(dsn, DATABASE, roles=True)
    on_mariadb = "MariaDB" in ask("select version()")[0][0]
    held, go = threading.Event(), threading.Event()
    execute = Cursor.execute

    def hold(cursor: Any, query: str, args: object = None) -> Any:
        if re.search(owed, query, re.MULTILINE):
            held.set()
            go.wait(60)
        return execute(cursor, query, args)

    monkeypatch.setattr(Cursor, "execute", hold)
    monkeypatch.setattr("ectojob_py.mysql.calls.RETRIED_FOR", 60)
    caplog.set_level(logging.INFO, "ectojob")
    with logins(ask, "producer"), logged_in(dsn, "producer") as producer, ThreadPoolExecutor(2) as pool:
        try:
            deployed = pool.submit(deploy, dsn, DATABASE)
            assert held.wait(60)
            call = pool.submit(producer.enqueue, "default")
            deadline = time.monotonic() + 60
            while not call.done() and caplog.text.count("enqueue is retried") < 3:
                assert time.monotonic() < deadline, "it neither answers nor waits"
                time.sleep(0.01)
            assert call.done() == on_mariadb
        finally:
            go.set()
        assert call.result(60) == 1
        assert deployed.result(60) == []


@pytest.mark.parametrize("deploying", [False, True])
def test_who_has_no_right_is_told_so_at_once_or_when_he_has_waited_for_a_deploy(
    dsn: str, ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, deploying: bool
) -> None:
    migrate(dsn, DATABASE, roles=True)
    caplog.set_level(logging.INFO, "ectojob")
    if deploying:
        monkeypatch.setattr("ectojob_py.mysql.calls.RETRIED_FOR", 0.2)
        ask("do get_lock(concat('ectojob migrate ', left(sha2(%s, 256), 40)), 60)", DATABASE)
    refused = pytest.raises(pymysql.OperationalError, match="1370")
    with logins(ask, "reader"), logged_in(dsn, "reader") as reader, refused:
        reader.enqueue("default")
    ask("do release_all_locks()")
    tries = caplog.text.count("enqueue is retried")
    assert tries > 1 if deploying else tries == 0


def test_roles_do_not_notice_redeploys(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE, roles=True)
    done = threading.Event()

    def produce() -> int:
        with logged_in(dsn, "producer") as jobs:
            return len([jobs.enqueue("default") for _ in iter(done.is_set, True)])

    def work() -> int:
        count = 0
        with logged_in(dsn, "worker") as jobs:
            while (claimed := jobs.claim_batch("default", 5)) or not done.is_set():
                for job in claimed:
                    jobs.complete("default", job.id, job.attempt)
                    count += 1
        return count

    with logins(ask, "producer", "worker"), ThreadPoolExecutor(2) as pool:
        producer, worker = pool.submit(produce), pool.submit(work)
        try:
            for _ in range(3):
                assert migrate(dsn, DATABASE) == []
        finally:
            done.set()
            made = producer.result(60)
        assert 0 < worker.result(60) <= made
