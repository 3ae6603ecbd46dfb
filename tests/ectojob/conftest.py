"""EctoJob applications for the tests, in Python: what they send is what PostgreSQL can tell."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from ectojob_py import Jobs

from .elixir import EctoJob, Postgrex

Conn = psycopg.Connection[Any]
NewEctoJob = Callable[..., EctoJob]


CLEAN = """
do $$
declare
    v_queue text;
begin
    for v_queue in select queue from jobs.ectojob_view loop
        perform jobs.drop_ectojob_view(v_queue);
    end loop;
    drop schema public cascade;
    create schema public;
    grant usage on schema public to public;
    delete from jobs.job;
    delete from jobs.queue where name <> 'default';
end
$$
"""


@pytest.fixture(scope="session")
def elixir_dsn(postgres_server: NoopExecutor) -> Iterator[str]:
    """One database per server: a new one for each test would take longer than most of them."""
    server = postgres_server
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="elixir", template_dbname=server.template_dbname
    )
    with own:
        yield make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="elixir")


@pytest.fixture
def dsn(elixir_dsn: str) -> str:
    """How to connect to it, cleaned of what the last test left."""
    with psycopg.connect(elixir_dsn, autocommit=True) as conn:
        conn.execute(CLEAN)
    return elixir_dsn


@pytest.fixture
def elixir(dsn: str) -> Iterator[NewEctoJob]:
    """EctoJob queue modules, each with a connection of its own."""
    opened: list[Postgrex] = []

    def new(**options: Any) -> EctoJob:
        opened.append(Postgrex(dsn))
        return EctoJob(opened[-1], **options)

    yield new
    for repo in opened:
        repo.close()


@pytest.fixture
def jobs(conn: Conn) -> Jobs:
    """Our side, with a queue for EctoJob."""
    jobs = Jobs(conn)
    jobs.create_queue("emails")
    return jobs


@pytest.fixture
def view(conn: Conn, jobs: Jobs) -> str:
    """The view ``public.jobs`` of queue ``emails``; its queue's name."""
    conn.execute("select jobs.create_ectojob_view('emails', 'public.jobs')")
    return "emails"
