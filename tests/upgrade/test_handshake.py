"""A client works with functions of its own release and of the next, and says so when others are there."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from mysql.servers import MYSQL
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor

from ectojob_py import Jobs, Worker
from ectojob_py import release as releases
from ectojob_py.cli import main
from ectojob_py.errors import SetupError
from ectojob_py.migrate import migrate
from ectojob_py.mysql.connection import connect
from ectojob_py.release import check_release, release

OLDER, NEWER = "0.1.7", "0.4.0"


@pytest.mark.parametrize(
    ("client", "installed", "remedy"),
    [
        ("0.2.0", "0.2.0", None),
        ("0.2.0", "0.2.9", None),
        ("0.2.9", "0.2.0", None),
        ("0.2.0", "0.3.0", None),
        ("1.9.0", "1.10.0", None),
        ("0.2.0", "0.1.9", "ectojob migrate"),
        ("0.10.0", "0.9.0", "ectojob migrate"),
        ("1.0.0", "0.9.0", "ectojob migrate"),
        ("0.2.0", "what", "ectojob migrate"),
        ("0.2.0", "0.4.0", "Install ectojob 0.4"),
        ("0.9.0", "1.0.0", "Install ectojob 1.0"),
        ("0.2.0rc1", "0.2.0.dev4", None),
    ],
)
def test_the_rule(monkeypatch: pytest.MonkeyPatch, client: str, installed: str, remedy: str | None) -> None:
    monkeypatch.setattr(releases, "release", lambda: client)
    if remedy is None:
        check_release(installed, "jobs")
        return
    with pytest.raises(SetupError, match=f"{installed}.*{client}") as caught:
        check_release(installed, "jobs")
    assert remedy in caught.value.hint


def test_a_client_is_of_the_release_whose_functions_it_brings(conn: psycopg.Connection[Any]) -> None:
    assert Jobs(conn).version() == release()


def pretend(conn: Any, version: str) -> None:
    """Replace ``version()`` alone."""
    if isinstance(conn, psycopg.Connection):
        conn.execute(
            "create or replace function jobs.version() returns text language sql security definer "
            f"set search_path = jobs, pg_temp as $$ select '{version}' $$".encode()
        )
    else:
        with conn.cursor() as cursor:
            cursor.execute("drop procedure jobs.version")
            cursor.execute(f"create procedure jobs.version() select '{version}' as version")


@pytest.fixture(params=["postgres-18", *MYSQL])
def place(
    request: pytest.FixtureRequest, postgres_at: Callable[[str], NoopExecutor], mysql_at: Callable[[str], str]
) -> Iterator[tuple[str, Any]]:
    """A dsn, and a connection; the functions are as delivered in the end."""
    if request.param in MYSQL:
        dsn = mysql_at(request.param)
        conn: Any = connect(dsn, autocommit=True)
    else:
        server = postgres_at(request.param)
        dsn = make_conninfo("", host=server.host, port=server.port, user=server.user, dbname=server.template_dbname)
        with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as admin:
            admin.execute(f"create database handshake template {server.template_dbname}".encode())
        dsn = make_conninfo(dsn, dbname="handshake")
        conn = psycopg.connect(dsn, autocommit=True)
    with closing(conn):
        yield dsn, conn
        pretend(conn, release())
    if request.param in MYSQL:
        migrate(dsn)
    else:
        with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as admin:
            admin.execute("drop database handshake with (force)")


@pytest.mark.parametrize(("version", "remedy"), [(OLDER, "ectojob migrate"), (NEWER, "Install ectojob 0.4")])
def test_a_worker_does_not_start_with_functions_of_another_release(
    place: tuple[str, Any], version: str, remedy: str
) -> None:
    dsn, conn = place
    id = Jobs(conn).enqueue("default")
    pretend(conn, version)
    with pytest.raises(SetupError, match=version) as caught:
        Worker(dsn, perform=lambda conn, job: pytest.fail("it ran a job")).run()
    assert remedy in caught.value.hint
    assert Jobs(conn).remove("default", id) is not None


def test_a_worker_starts_with_functions_of_the_next_release(place: tuple[str, Any]) -> None:
    dsn, conn = place
    Jobs(conn).enqueue("default")
    major, minor, _ = release().split(".")
    pretend(conn, f"{major}.{int(minor) + 1}.0")
    done: list[int] = []

    def perform(conn: Any, job: Any) -> None:
        done.append(job.id)
        worker.stop()

    worker = Worker(dsn, perform=perform, max_demand=1)
    assert worker.run() == 0
    assert len(done) == 1


COMMANDS = [
    ["enqueue", "default", "{}"],
    ["queues"],
    ["jobs"],
    ["requeue", "default", "1"],
    ["queue", "pause", "default"],
    ["work", "os:link", "--queue", "default"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_refuses_functions_of_another_release(
    conn: psycopg.Connection[Any], dsn: str, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    for version in (OLDER, NEWER):
        pretend(conn, version)
        assert main([*command, "--dsn", dsn]) == 1
        assert f"schema jobs has ectojob {version}" in capsys.readouterr().err
    assert conn.execute("select count(*) from jobs.job").fetchall() == [(0,)]


def test_migrate_mends_it(conn: psycopg.Connection[Any], dsn: str) -> None:
    pretend(conn, OLDER)
    assert main(["migrate", "--dsn", dsn]) == 0
    assert Jobs(conn).version() == release()


@pytest.mark.parametrize("roles", [None, True])
def test_an_older_release_does_not_replace_newer_functions(place: tuple[str, Any], roles: bool | None) -> None:
    dsn, conn = place
    major, minor, _ = release().split(".")
    next_one = f"{major}.{int(minor) + 1}.0"
    pretend(conn, next_one)
    with pytest.raises(SetupError, match=f"has ectojob {next_one}, and this is {release()}") as caught:
        migrate(dsn, roles=roles)
    assert f"Install ectojob {major}.{int(minor) + 1} or later here" in caught.value.hint
    assert Jobs(conn).version() == next_one


def test_a_third_number_is_no_later_release(place: tuple[str, Any]) -> None:
    dsn, conn = place
    pretend(conn, f"{release().rpartition('.')[0]}.99")
    migrate(dsn)
    assert Jobs(conn).version() == release()


def test_who_may_call_one_function_may_use_the_command_for_it(conn: psycopg.Connection[Any], dsn: str) -> None:
    login = f"app_of_{conn.info.dbname}"
    conn.execute(f"create role {login} login; grant usage on schema jobs to {login}".encode())
    conn.execute(f"grant execute on function jobs.enqueue to {login}".encode())
    try:
        assert main(["enqueue", "default", "{}", "--dsn", make_conninfo(dsn, user=login)]) == 0
    finally:
        conn.execute(f"drop owned by {login}; drop role {login}".encode())


def test_a_running_worker_ends_in_good_order_when_such_a_release_is_deployed(
    conn: psycopg.Connection[Any], dsn: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def perform(conn: psycopg.Connection[Any], job: Any) -> None:
        begun.set()
        assert go_on.wait(60)

    Jobs(conn).enqueue("default")
    worker = Worker(make_conninfo(dsn, application_name="upgraded"), perform=perform, max_demand=1)
    ended: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except SetupError as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert begun.wait(60)
        pretend(conn, NEWER)
        Jobs(conn).enqueue("default")
        listening = "from pg_stat_activity where application_name = 'upgraded' and pid <> %s"
        [(running,)] = conn.execute(f"select count(*) {listening}".encode(), [conn.info.backend_pid]).fetchall()
        assert running == 2
        its_own = f"{listening} and query not like '%%idle_session_timeout%%'"  # what the handler's session said last
        conn.execute(f"select pg_terminate_backend(pid) {its_own}".encode(), [conn.info.backend_pid])
        go_on.set()
        thread.join(60)
    finally:
        go_on.set()
        worker.stop(0)
        thread.join(60)
    assert [NEWER in str(error) for error in ended] == [True]
    left = conn.execute("select state, attempt from jobs.job").fetchall()
    assert left == [("AVAILABLE", 0)]
