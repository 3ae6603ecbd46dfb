"""What the database refuses arrives as one class per SQLSTATE, raised by psycopg itself."""

import copy
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ectojob_py import (
    AsyncJobs,
    HandlerError,
    JobNotFailed,
    Jobs,
    JobsError,
    LeaseLost,
    QueueNotEmpty,
    Retry,
    SetupError,
    UnknownQueue,
)
from ectojob_py.errors import NotAllowed

Conn = psycopg.Connection[Any]
Call = Callable[[Jobs], object]


def drop_a_queue_with_a_job(jobs: Jobs) -> None:
    jobs.enqueue("default")
    jobs.drop_queue("default")


REFUSALS: list[tuple[type[JobsError], str, Call]] = [
    (LeaseLost, "JQ001", lambda jobs: jobs.complete("default", 1, 1)),
    (LeaseLost, "JQ001", lambda jobs: jobs.complete_batch("default", [1], [1])),
    (UnknownQueue, "JQ002", lambda jobs: jobs.enqueue("nope")),
    (UnknownQueue, "JQ002", lambda jobs: jobs.claim_batch("nope", 1)),
    (UnknownQueue, "JQ002", lambda jobs: jobs.drop_queue("nope")),
    (QueueNotEmpty, "JQ003", drop_a_queue_with_a_job),
    (JobNotFailed, "JQ004", lambda jobs: jobs.requeue("default", 1)),
]


@pytest.mark.parametrize(("kind", "sqlstate", "call"), REFUSALS)
def test_one_class_per_sqlstate(jobs: Jobs, kind: type[JobsError], sqlstate: str, call: Call) -> None:
    with pytest.raises(psycopg.DatabaseError) as caught:
        call(jobs)
    assert type(caught.value) is kind
    assert isinstance(caught.value, JobsError)
    assert (caught.value.sqlstate, kind.sqlstate) == (sqlstate, sqlstate)
    assert caught.value.diag.message_hint


def test_psycopg_knows_them_whoever_calls(conn: Conn) -> None:
    with pytest.raises(LeaseLost):
        conn.execute("select jobs.complete('default', 1, 1)")
    assert psycopg.errors.lookup("JQ001") is LeaseLost


def test_each_class_has_a_code_of_its_own() -> None:
    codes = {kind.sqlstate for kind, _, _ in REFUSALS}
    assert codes == {kind.sqlstate for kind in JobsError.__subclasses__()}
    assert JobsError.sqlstate is None


BAD: list[tuple[str, Call]] = [
    ("params must be a JSON object, not array", lambda jobs: jobs.enqueue("default", [1])),  # type: ignore[arg-type]
    ("params must be a JSON object, not string", lambda jobs: jobs.enqueue("default", "{}")),  # type: ignore[arg-type]
    ("params must be a JSON object, not number", lambda jobs: jobs.enqueue("default", 0)),  # type: ignore[arg-type]
    ("params must be a JSON object, not boolean", lambda jobs: jobs.enqueue("default", False)),  # type: ignore[arg-type]
    ("params must be a JSON object, not array", lambda jobs: jobs.enqueue("default", [])),  # type: ignore[arg-type]
    ("element 2 of params must be a JSON object", lambda jobs: jobs.enqueue_many("default", [{}, None, 1])),  # type: ignore[list-item]
    ("element 1 of params must be a JSON object", lambda jobs: jobs.enqueue_many("default", [1])),  # type: ignore[list-item]
    ("demand must be at least 1", lambda jobs: jobs.claim_batch("default", 0)),
    ("must be more than 0", lambda jobs: jobs.claim_batch("default", 1, timedelta(0))),
    ("must be more than 0", lambda jobs: jobs.create_queue("q", retry_timeout=timedelta(seconds=-1))),
    ("not a legal queue name", lambda jobs: jobs.create_queue("")),
    ("queue must not be null", lambda jobs: jobs.enqueue(None)),  # type: ignore[arg-type]
    ("same length", lambda jobs: jobs.complete_batch("default", [1], [])),
]


@pytest.mark.parametrize(("message", "call"), BAD)
def test_a_bad_argument_is_the_standard_condition_with_a_hint(conn: Conn, jobs: Jobs, message: str, call: Call) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=message) as caught:
        call(jobs)
    assert caught.value.sqlstate == "22023"
    assert caught.value.diag.message_hint
    assert stored(conn) == 0


def stored(conn: Conn) -> int:
    [(number,)] = conn.execute("select count(*) from jobs.job").fetchall()
    return int(number)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\x00b", "\ud800"])
def test_what_json_cannot_hold_is_refused(conn: Conn, jobs: Jobs, value: object) -> None:
    with pytest.raises(psycopg.DataError):
        jobs.enqueue("default", {"value": value})
    with pytest.raises(psycopg.DataError):
        jobs.enqueue_many("default", [{}, {"value": value}])
    assert stored(conn) == 0


def test_what_json_cannot_express_is_refused(conn: Conn, jobs: Jobs) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        jobs.enqueue("default", {"value": object()})
    with pytest.raises(TypeError, match="not JSON serializable"):
        jobs.enqueue("default", Jsonb({}))  # type: ignore[arg-type]
    assert stored(conn) == 0


def test_a_naive_schedule_is_refused(conn: Conn, jobs: Jobs) -> None:
    naive = datetime(2100, 1, 1)
    with pytest.raises(ValueError, match="no time zone; pass an aware datetime"):
        jobs.enqueue("default", schedule=naive)
    with pytest.raises(ValueError, match="no time zone"):
        jobs.enqueue_many("default", [{}], naive)
    with pytest.raises(ValueError, match="must be a datetime, not datetime"):
        jobs.enqueue("default", schedule=timedelta(minutes=5))  # type: ignore[arg-type]
    assert stored(conn) == 0


@pytest.mark.parametrize("other", ["postgresql://", object()])
def test_another_kind_of_connection_is_refused_with_the_remedy(other: object) -> None:
    with pytest.raises(TypeError, match=r"psycopg 3 or PyMySQL connection, not builtins\.\w+; .*driver_connection"):
        Jobs(other)


def test_no_connection_is_refused_with_another_remedy() -> None:
    with pytest.raises(TypeError, match=r"not None; Django has none yet: call connection\.ensure_connection\(\)"):
        Jobs(None)


def test_an_asynchronous_connection_is_refused() -> None:
    with pytest.raises(TypeError, match=r"on this one: await AsyncJobs\(conn\)"):
        Jobs(object.__new__(psycopg.AsyncConnection))
    with pytest.raises(TypeError, match=r"not psycopg\.Connection; on one that isn't async: Jobs\(conn\)"):
        AsyncJobs(object.__new__(psycopg.Connection))


class Busy(Retry):
    def __init__(self, printer: str) -> None:
        super().__init__(f"{printer} is busy", after=60)
        self.printer = printer


@pytest.mark.parametrize(
    "error",
    [
        Retry("busy", after=1.5),
        Busy("laser"),
        SetupError("wrong", "mend it"),
        NotAllowed("no", "jobs", "worker"),
        HandlerError("no"),
    ],
)
def test_what_is_raised_in_another_process_arrives_whole(error: Exception) -> None:
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(copied), copied.args, vars(copied)) == (type(error), error.args, vars(error))
