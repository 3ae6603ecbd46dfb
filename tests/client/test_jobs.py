"""The functions as methods: what goes in, what comes out, and that the rows are the database's own."""

import inspect
import json
import pickle
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import set_json_dumps

from ectojob_py import Job, Jobs
from ectojob_py.migrate import migrate

Conn = psycopg.Connection[Any]

SOON = timedelta(hours=1)


def row(conn: Conn, id: int, columns: str = "state") -> Any:
    return conn.execute(f"select {columns} from jobs.job where id = %s".encode(), [id]).fetchone()


def queue(conn: Conn, name: str) -> Any:
    columns = "max_attempts, reservation_timeout, execution_timeout, retry_timeout"
    return conn.execute(f"select {columns} from jobs.queue where name = %s".encode(), [name]).fetchone()


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def test_a_job_travels_from_enqueue_to_complete(jobs: Jobs) -> None:
    id = jobs.enqueue("default", {"to": "joe"})
    [job] = jobs.claim_batch("default", 10)
    assert (job.id, job.params, job.attempt) == (id, {"to": "joe"}, 1)
    jobs.complete(job.queue, job.id, job.attempt)
    assert jobs.claim_batch("default", 10) == []


@pytest.mark.parametrize("kind", [psycopg.RawCursor, psycopg.ClientCursor])
def test_the_connections_own_kind_of_cursor_does_not_matter(conn: Conn, jobs: Jobs, kind: Any) -> None:
    conn.cursor_factory = kind
    ids = [jobs.enqueue("default", {"to": "joe"}), *jobs.enqueue_many("default", [{"to": "50 %s"}])]
    claimed = jobs.claim_batch("default", 10)
    assert [(job.id, job.params) for job in claimed] == [(ids[0], {"to": "joe"}), (ids[1], {"to": "50 %s"})]
    jobs.complete_batch("default", ids, [1, 1])


def test_a_job_is_pickled_without_what_only_its_worker_can_set(jobs: Jobs) -> None:
    jobs.enqueue("default", {"to": "joe"})
    [job] = jobs.claim_batch("default", 1)
    job.lease_lost.set()
    copied = pickle.loads(pickle.dumps(job))
    assert (copied, copied.params, copied.lease_lost.is_set()) == (job, {"to": "joe"}, False)


FUNCTIONS = [name for name, _ in inspect.getmembers(Jobs, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_method_has_its_functions_arguments_in_their_order(conn: Conn, name: str) -> None:
    query = "select proargnames[:pronargs], pronargdefaults from pg_proc where pronamespace = 'jobs'::regnamespace"
    [(names, defaults)] = conn.execute(f"{query} and proname = %s".encode(), [name]).fetchall()
    parameters = list(inspect.signature(getattr(Jobs, name)).parameters.values())[1:]
    assert [parameter.name for parameter in parameters] == _with_after(names or [])
    optional = [parameter for parameter in parameters if parameter.default is not parameter.empty]
    # params is optional in SQL, too; of a function without arguments there is nothing to leave out
    assert [parameter.name for parameter in optional] == _with_after((names or [])[len(names or []) - defaults :])


def _with_after(names: list[str]) -> list[str]:
    """A job's place in running order is three arguments in SQL, and one job in Python."""
    return [*names[:-3], "after"] if names[-3:] == AFTER else names


AFTER = ["after_priority", "after_schedule", "after_id"]
SLEEPING = ["fall_asleep", "in_flight", "wake_up"]
"""They belong to a listening session, and the worker's listener calls them."""


def test_every_public_function_is_a_method(conn: Conn) -> None:
    query = """
        select proname from pg_proc
        where pronamespace = 'jobs'::regnamespace and obj_description(oid, 'pg_proc') !~ '^Internal'
            and prorettype <> 'trigger'::regtype
    """
    assert sorted(name for (name,) in conn.execute(query.encode())) == sorted(FUNCTIONS + SLEEPING)


@pytest.mark.parametrize("by_name", [False, True])
def test_create_queue(conn: Conn, jobs: Jobs, by_name: bool) -> None:
    values = [7, *seconds(1, 2, 3)]
    if by_name:
        names = ["max_attempts", "reservation_timeout", "execution_timeout", "retry_timeout"]
        jobs.create_queue(queue="q", **dict(zip(names, values, strict=True)))  # type: ignore[arg-type]
    else:
        jobs.create_queue("q", *values)  # type: ignore[arg-type]
    assert list(queue(conn, "q")) == values
    jobs.create_queue("q", retry_timeout=SOON)
    assert list(queue(conn, "q")) == [*values[:3], SOON]


def test_pause_resume_and_drop_a_queue(conn: Conn, jobs: Jobs) -> None:
    jobs.create_queue("q")
    id = jobs.enqueue("q")
    jobs.pause_queue("q")
    assert jobs.claim_batch("q", 1) == []
    jobs.resume_queue(queue="q")
    [job] = jobs.claim_batch("q", 1)
    assert job.id == id
    jobs.drop_queue(queue="q", force=True)
    assert (queue(conn, "q"), row(conn, id)) == (None, None)


@pytest.mark.parametrize("by_name", [False, True])
def test_enqueue(conn: Conn, jobs: Jobs, by_name: bool) -> None:
    at = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    if by_name:
        id = jobs.enqueue(
            queue="default", params={"a": [1, None]}, schedule=at, max_attempts=3, priority=-2, notify="hello"
        )
    else:
        id = jobs.enqueue("default", {"a": [1, None]}, at, 3, -2, "hello")
    columns = "state, params, schedule, max_attempts, priority, notify"
    assert row(conn, id, columns) == ("SCHEDULED", {"a": [1, None]}, at, 3, -2, "hello")


@pytest.mark.parametrize("params", [None, {}])
def test_no_params_is_an_empty_object(conn: Conn, jobs: Jobs, params: dict[str, Any] | None) -> None:
    assert row(conn, jobs.enqueue("default", params), "params") == ({},)
    assert row(conn, jobs.enqueue("default"), "params, state, max_attempts, priority") == ({}, "AVAILABLE", 5, 0)


def test_enqueue_many_keeps_the_order(conn: Conn, jobs: Jobs) -> None:
    ids = jobs.enqueue_many("default", ({"n": n} for n in range(200)), priority=4, max_attempts=2, notify="x")
    query = "select (params ->> 'n')::integer, priority, max_attempts, notify from jobs.job order by id"
    assert conn.execute(query).fetchall() == [(n, 4, 2, "x") for n in range(200)]
    assert [row(conn, id, "params ->> 'n'") for id in ids] == [(str(n),) for n in range(200)]
    [job] = jobs.claim_batch("default", 1)
    assert job.params == {"n": 0}
    assert jobs.enqueue_many("default", []) == []
    at = datetime(2100, 1, 1, tzinfo=UTC)
    [late] = jobs.enqueue_many("default", [{}], at, 1, 0, None)
    assert row(conn, late, "state, schedule") == ("SCHEDULED", at)


def test_reserve_begin_extend_release(jobs: Jobs) -> None:
    id = jobs.enqueue("default")
    [reserved] = jobs.reserve_batch(queue="default", demand=2, reservation_timeout=SOON)
    assert (reserved.state, reserved.attempt, lease(reserved)) == ("RESERVED", 0, SOON)
    begun = jobs.begin_attempt(queue="default", id=id, attempt=0)
    assert begun is not None
    assert (begun.state, begun.attempt) == ("IN_PROGRESS", 1)
    assert jobs.begin_attempt("default", id, 0) is None
    extended = jobs.extend("default", id, 1, by=SOON)
    assert extended is not None
    assert extended.expires is not None
    assert begun.expires is not None
    assert extended.expires - begun.expires == SOON
    released = jobs.release(queue="default", id=id, attempt=1)
    assert released is not None
    assert (released.state, released.max_attempts) == ("AVAILABLE", 6)
    assert jobs.release("default", id, 1) is None
    assert jobs.extend("default", id, 1) is None


def lease(job: Job) -> timedelta:
    """How long the job's lease is, to the second."""
    assert job.expires is not None
    return timedelta(seconds=round((job.expires - job.updated_at).total_seconds()))


def test_claim_fail_requeue_remove(jobs: Jobs) -> None:
    id = jobs.enqueue("default", max_attempts=2)
    [claimed] = jobs.claim_batch("default", 1, SOON)
    assert lease(claimed) == SOON
    retry = jobs.fail(queue="default", id=id, attempt=1, error="a\x00b", retry_in=timedelta(0))
    assert retry is not None
    assert (retry.state, retry.last_error) == ("RETRY", "ab")
    assert jobs.fail("default", id, 1) is None
    assert jobs.activate_scheduled() == 1
    jobs.claim_batch("default", 1)
    failed = jobs.fail("default", id, 2)
    assert failed is not None
    assert (failed.state, failed.last_error) == ("FAILED", None)
    assert jobs.requeue("default", id).state == "AVAILABLE"
    removed = jobs.remove("default", id)
    assert removed is not None
    assert removed.id == id
    assert jobs.remove("default", id) is None


def test_complete_batch_takes_any_iterable(conn: Conn, jobs: Jobs) -> None:
    jobs.enqueue_many("default", [{}] * 3)
    claimed = jobs.claim_batch("default", 3)
    jobs.complete_batch("default", (job.id for job in claimed), (job.attempt for job in claimed))
    assert conn.execute("select count(*) from jobs.job").fetchone() == (0,)
    jobs.complete_batch("default", [], [])


def test_sweeping_one_queue_or_all(jobs: Jobs) -> None:
    jobs.create_queue("other")
    for name in ("default", "other"):
        jobs.enqueue(name)
        jobs.claim_batch(name, 1, timedelta(microseconds=1))
    assert jobs.reactivate_expired("default") == 1
    assert jobs.reactivate_expired() == 1
    assert jobs.activate_scheduled(queue="default") == 0
    assert jobs.next_due("default") is None
    at = datetime(2100, 1, 1, tzinfo=UTC)
    jobs.enqueue("default", schedule=at)
    assert jobs.next_due("default") == at


def test_version(conn: Conn, jobs: Jobs) -> None:
    assert (jobs.version(),) == conn.execute("select jobs.version()").fetchone()


def test_a_job_has_every_column_under_its_name(conn: Conn, jobs: Jobs) -> None:
    id = jobs.enqueue("default", {"é": '"'}, notify="n")
    [job] = jobs.claim_batch("default", 1)
    names = [field.name for field in fields(Job) if field.init and field.name != "params_json"]
    assert tuple(getattr(job, name) for name in names) == row(conn, id, ", ".join(names))
    assert job.params == {"é": '"'}
    columns = "select attname from pg_attribute where attrelid = 'jobs.job'::regclass and attnum > 0"
    assert {name for (name,) in conn.execute(columns)} == {*names, "params"}


def test_a_job_is_frozen_and_says_nothing_of_its_params(jobs: Jobs) -> None:
    id = jobs.enqueue("default", {"secret": "canary"})
    [job] = jobs.claim_batch("default", 1)
    with pytest.raises(FrozenInstanceError):
        job.attempt = 2  # type: ignore[misc]
    assert "canary" not in repr(job) + str(job)
    assert str(job) == f"default[{id}]"
    failed = jobs.fail("default", id, 1, "canary")
    assert "canary" not in repr(failed)


def test_params_are_decoded_when_asked_for(conn: Conn, jobs: Jobs) -> None:
    conn.execute("select jobs.enqueue('default', %s)", [f'{{"n": {"9" * 5000}}}'])
    [job] = jobs.claim_batch("default", 1)
    with pytest.raises(ValueError, match="integer"):
        _ = job.params
    assert job.params_json.startswith('{"n": 999')


def test_params_come_back_as_they_went_in(jobs: Jobs) -> None:
    params = {"int": 2**60, "float": 1.5, "text": "%s {},\\\" ' \U0001f40c", "deep": {"list": [True, None, {"": []}]}}
    jobs.enqueue("default", params)
    jobs.enqueue_many("default", [params, params])
    assert [job.params for job in jobs.claim_batch("default", 3)] == [params, params, params]


def test_json_is_written_as_the_connection_writes_it(conn: Conn, jobs: Jobs) -> None:
    set_json_dumps(lambda value: json.dumps(value, default=str, ensure_ascii=False), conn)
    params = {"at": datetime(2100, 1, 1, tzinfo=UTC), "text": '"\U0001f40c\\'}
    ids = [jobs.enqueue("default", params), *jobs.enqueue_many("default", [params])]
    written = {"at": "2100-01-01 00:00:00+00:00", "text": '"\U0001f40c\\'}
    assert [row(conn, id, "params") for id in ids] == [(written,), (written,)]


def test_another_schema(conn: Conn, dsn: str) -> None:
    migrate(dsn, "jobs_eu")
    eu = Jobs(conn, schema="jobs_eu")
    id = eu.enqueue("default", {"where": "eu"})
    assert Jobs(conn).claim_batch("default", 1) == []
    [job] = eu.claim_batch("default", 1)
    assert (job.id, job.params) == (id, {"where": "eu"})
    eu.complete("default", job.id, job.attempt)
    assert conn.execute("select count(*) from jobs_eu.job").fetchone() == (0,)
