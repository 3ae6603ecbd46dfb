"""Running ``ectojob`` as a person does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contract.harness import Db, dialect_at
from mysql.servers import MYSQL
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from servers import POSTGRES

from ectojob_py.cli import main
from ectojob_py.mysql.connection import connect


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Command = Callable[..., Result]
Ask = Callable[..., list[tuple[Any, ...]]]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(params=[*POSTGRES, *MYSQL])
def dsn(
    request: pytest.FixtureRequest, postgres_at: Callable[[str], NoopExecutor], mysql_at: Callable[[str], str]
) -> Iterator[str]:
    """A database of each kind: on PostgreSQL this test's own, elsewhere the server's one, emptied."""
    if request.param in MYSQL:
        with closing(connect(mysql_at(request.param), autocommit=True)) as conn, conn.cursor() as cursor:
            cursor.execute("truncate table jobs.job")  # so that ids begin with 1
            yield mysql_at(request.param)
            for schema in ("jobs_eu", 'jobs%s "eu"'):
                cursor.execute(f"drop database if exists `{schema}`")
        return
    server = postgres_at(request.param)
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="cli", template_dbname=server.template_dbname
    )
    with own:
        yield make_conninfo("", host=server.host, port=server.port, user=server.user, dbname=own.dbname)


@pytest.fixture
def db(dsn: str) -> Iterator[Db]:
    """The words of the contract."""
    with closing(Db(dialect_at(dsn))) as words:
        yield words


@pytest.fixture
def ask(dsn: str, db: Db) -> Ask:
    """Ask the database, in SQL that all of them understand."""

    def ask(query: str, *args: object) -> list[tuple[Any, ...]]:
        with db.conn.cursor() as cursor:
            cursor.execute(query, args)
            return list(cursor.fetchall()) if cursor.description else []

    return ask


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in this process, with no database in the environment."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("ECTOJOB_DEBUG", raising=False)

    def run(*args: str, stdin: str | bytes = "") -> Result:
        file = tmp_path / "stdin"
        file.write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        with file.open() as opened, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", opened)
            code = main(args)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return run


@pytest.fixture
def ectojob(bare: Command, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process, against this test's database."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    return bare


@pytest.fixture
def start(dsn: str, tmp_path: Path) -> Iterator[Start]:
    """Start a command as a process of its own, in an empty folder; whatever still runs is killed in the end."""
    started: list[subprocess.Popen[str]] = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else, of tests in the background, commands ignore it

    def start(*args: str, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "DATABASE_URL": dsn, "PYTHONUNBUFFERED": "1", **options.pop("env", {})}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-m", "ectojob_py", *args]
        started.append(subprocess.Popen(command, text=True, cwd=tmp_path, env=environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate()
