"""``params_type: :binary``: EctoJob's terms are payloads here, and the reverse."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ectojob_py import Jobs

from .elixir import EctoJob
from .tables import VERSIONS, migration

Conn = psycopg.Connection[Any]
NewEctoJob = Callable[..., EctoJob]

TERM = b"\x83h\x02m\x00\x00\x00\tSendEmailm\x00\x00\x00\x0ejoe@gmail.com\x00" + bytes(range(256))
"""``:erlang.term_to_binary({"SendEmail", ...})``, or so."""


@pytest.fixture
def ectojob(conn: Conn, jobs: Jobs, elixir: NewEctoJob) -> EctoJob:
    jobs.create_ectojob_view("emails", "public.jobs", "binary")
    return elixir()


def test_terms_of_either_side_run_on_the_other(conn: Conn, ectojob: EctoJob, jobs: Jobs) -> None:
    theirs = ectojob.insert(TERM)
    [job] = jobs.claim_batch("emails", 9)
    assert (job.id, job.payload) == (theirs, TERM)
    jobs.fail("emails", job.id, 1)
    ours = jobs.enqueue_payload("emails", TERM)
    [reserved] = ectojob.reserve(9)
    assert (reserved.id, reserved.params) == (ours, TERM)
    begun = ectojob.start(reserved)
    assert begun is not None
    assert begun.params == TERM
    failed = ectojob.job_failed(begun)
    assert failed is not None
    assert failed.params == TERM
    with ectojob.repo.transaction():
        ectojob.delete(begun)


def test_what_else_is_in_the_params_stays_when_ectojob_moves_the_job(conn: Conn, ectojob: EctoJob, jobs: Jobs) -> None:
    id = jobs.enqueue("emails", {"payload": "eA==", "tenant": 7})
    assert ectojob.start(ectojob.reserve(1)[0])
    assert conn.execute("select params from jobs.job where id = %s", [id]).fetchall() == [
        ({"payload": "eA==", "tenant": 7},)
    ]
    conn.execute("update public.jobs set params = 'y'")
    assert conn.execute("select params from jobs.job where id = %s", [id]).fetchall() == [({"payload": "eQ=="},)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_binary_table_is_adopted_and_comes_back(conn: Conn, version: str) -> None:
    for statement in migration(version, params="bytea"):
        conn.execute(statement.encode())
    insert = "insert into public.jobs (params, inserted_at, updated_at) values (%s, now(), now())"
    for params in (TERM, b"", TERM * 100):
        conn.execute(insert, [params])
    rows = conn.execute("select jobs::text from public.jobs order by id").fetchall()
    jobs = Jobs(conn)
    assert jobs.adopt("emails", "public.jobs")["objections"] == []
    assert [job.payload for job in jobs.reserve_batch("emails", 1)] == [TERM]
    conn.execute("update jobs.job set state = 'AVAILABLE', expires = null, updated_at = inserted_at")
    jobs.enqueue_payload("emails", b"new")
    jobs.unadopt("emails")
    assert conn.execute("select jobs::text from public.jobs order by id limit 3").fetchall() == rows
    assert conn.execute("select params from public.jobs order by id offset 3").fetchall() == [(b"new",)]


def test_a_params_type_that_ectojob_does_not_have_is_refused(jobs: Jobs) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="neither map nor binary"):
        jobs.create_ectojob_view("emails", "public.jobs", "text")


def test_null_is_a_map(conn: Conn, jobs: Jobs) -> None:
    conn.execute("select jobs.create_ectojob_view('emails', 'public.jobs', null)")
    [column] = conn.execute(
        "select format_type(atttypid, null) from pg_attribute "
        "where attrelid = 'public.jobs'::regclass and attname = 'params'"
    ).fetchall()
    assert column == ("jsonb",)
