"""How people call the functions from SQL, and arguments that only PostgreSQL has."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from contract.harness import Db

Conn = psycopg.Connection[Any]


def one(conn: Conn, statement: str) -> Any:
    [row] = conn.execute(statement.encode()).fetchall()
    return row[0]


def test_positional_calls(db: Db) -> None:
    id = one(db.conn, """select jobs.enqueue('default', '{"to": "joe"}', '2050-01-01 00:00+00', 3, -1, 'done')""")
    job = db.job(id)
    assert (job["params"], job["state"], job["max_attempts"], job["priority"], job["notify"]) == (
        {"to": "joe"},
        "SCHEDULED",
        3,
        -1,
        "done",
    )


@pytest.mark.parametrize(
    "call",
    [
        "enqueue(queue => 'default', params => '{}', schedule => null, max_attempts => 2, priority => 1, notify => '')",
        "enqueue('default', priority => 1)",
        "enqueue('default', max_attempts => 1)",
        "enqueue_many('default', array['{}', '{}']::jsonb[], priority => 1)",
        "enqueue_many('default', array[jsonb_build_object('a', 1)])",
        "enqueue_many('default', '{}')",
        "reserve_batch(queue => 'default', demand => 1, reservation_timeout => '1 minute')",
        "claim_batch('default', 1, execution_timeout => '1 minute')",
        "begin_attempt(queue => 'default', id => 1, attempt => 0)",
        "complete_batch(queue => 'default', ids => '{}', attempts => '{}')",
        "fail('default', 1, 1, error => 'no luck', retry_in => '1 minute')",
        "extend('default', 1, 1, \"by\" => '1 minute')",
        "extend('default', 1, 1, by => '1 minute')",
        "release(queue => 'default', id => 1, attempt => 1)",
        "activate_scheduled(queue => 'default')",
        "activate_scheduled()",
        "reactivate_expired(queue => null)",
        "create_queue('default', retry_timeout => '1 minute')",
        "drop_queue('default', force => true)",
        "next_due(queue => 'default')",
        "remove(queue => 'default', id => 1)",
        "version()",
    ],
)
def test_named_calls(db: Db, call: str) -> None:
    db.conn.execute(f"select * from jobs.{call}".encode())


def test_a_whole_life_in_one_select_list_each(db: Db) -> None:
    id = one(db.conn, "select jobs.enqueue('default')")
    assert one(db.conn, "select (jobs.claim_batch('default', 1)).id") == id
    one(db.conn, f"select jobs.complete('default', {id}, 1)")
    assert db.all_jobs() == []


def test_enqueue_from_a_query_and_from_a_trigger(db: Db) -> None:
    db.conn.execute("select jobs.enqueue('default', jsonb_build_object('n', n)) from generate_series(1, 3) as n")
    db.conn.execute(
        """
        create table orders (id integer);
        create function remind() returns trigger language plpgsql as $$
        begin
            perform jobs.enqueue('default', jsonb_build_object('order', new.id));
            return new;
        end
        $$;
        create trigger remind after insert on orders for each row execute function remind();
        insert into orders values (41), (42);
        """
    )
    db.conn.execute("drop table orders; drop function remind()")
    assert [job["params"] for job in db.all_jobs()] == [{"n": 1}, {"n": 2}, {"n": 3}, {"order": 41}, {"order": 42}]


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "4713-01-01 BC", "294276-12-31"])
@pytest.mark.parametrize(
    "function", ["enqueue('default', '{}', %s)", "enqueue_many('default', array['{}']::jsonb[], %s)"]
)
def test_a_schedule_that_no_calendar_has_is_refused(db: Db, function: str, moment: str) -> None:
    with db.refuses("22023"):
        db.conn.execute(f"select jobs.{function}".encode(), [moment])


CALLS_WITH_AN_INTERVAL = [
    "reserve_batch('default', 1, %s)",
    "claim_batch('default', 1, %s)",
    "extend('default', 1, 1, %s)",
    "fail('default', 1, 1, null, %s)",
    "create_queue('emails', reservation_timeout => %s)",
    "create_queue('emails', execution_timeout => %s)",
    "create_queue('emails', retry_timeout => %s)",
]
ODD = [
    "-1 month", "178000000 years", "1 month -31 days", "-1 day 23 hours", "11 years",
    "-12 months 361 days", "-5000000 years 1800000000 days 1 second",
]  # fmt: skip


@pytest.mark.parametrize("duration", ODD)
@pytest.mark.parametrize("call", CALLS_WITH_AN_INTERVAL)
def test_an_interval_that_no_lease_has_is_refused(db: Db, call: str, duration: str) -> None:
    with db.refuses("22023"):
        db.conn.execute(f"select jobs.{call}".encode(), [duration])


@pytest.mark.parametrize("duration", ["infinity", "-infinity"])
@pytest.mark.parametrize("call", CALLS_WITH_AN_INTERVAL)
def test_an_infinite_interval_is_refused(db: Db, call: str, duration: str) -> None:
    if db.conn.info.server_version < 170000:
        pytest.skip("intervals are finite before PostgreSQL 17")
    with db.refuses("22023"):
        db.conn.execute(f"select jobs.{call}".encode(), [duration])


def test_arrays_of_two_dimensions_are_taken_as_a_list(db: Db) -> None:
    db.conn.execute("select jobs.enqueue_many('default', array[array['{}', '{}'], array['{}', '{}']]::jsonb[])")
    ids = [job.id for job in db.jobs.claim_batch("default", 9)]
    db.conn.execute("select jobs.complete_batch('default', %s::bigint[], '{1,1,1,1}')", [[ids[:2], ids[2:]]])
    assert db.all_jobs() == []


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Kolkata'",
        "IntervalStyle = 'iso_8601'",
        "search_path = ''",
        "role = none",
    ],
)
def test_the_callers_settings_change_nothing(db: Db, setting: str) -> None:
    db.conn.execute(f"set {setting}".encode())
    id = one(db.conn, "select jobs.enqueue('default', schedule => '2001-02-03 04:05+00', max_attempts => 1)")
    assert one(db.conn, "select id from jobs.claim_batch('default', 1)") == id
    assert one(db.conn, f"select state from jobs.fail('default', {id}, 1, 'no luck')") == "FAILED"
    assert one(db.conn, f"select state from jobs.requeue('default', {id})") == "AVAILABLE"
    assert db.job(id)["schedule"] == datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
    with db.refuses("22023"):
        db.conn.execute("select jobs.enqueue('default', schedule => 'infinity')")


@pytest.mark.parametrize(
    "row",
    [
        {"state": "DONE"},
        {"params": "[]"},
        {"attempt": 6},
        {"attempt": -1},
        {"attempt": 5},
        {"state": "IN_PROGRESS", "expires": "2050-01-01", "attempt": 0},
        {"state": "RESERVED"},
        {"expires": "2050-01-01"},
        {"state": "RESERVED", "expires": "2050-01-01", "attempt": 5},
    ],
    ids=str,
)
def test_an_illegal_row_cannot_be_written_even_by_the_owner(db: Db, row: dict[str, Any]) -> None:
    db.a_job()
    assignments = ", ".join(f"{column} = %({column})s" for column in row)
    with db.changes_nothing(), pytest.raises(psycopg.errors.CheckViolation):
        db.conn.execute(f"update jobs.job set {assignments}".encode(), row)


@pytest.mark.parametrize("call", ["fall_asleep(null)", "in_flight(null)", "wake_up(null)"])
def test_a_sleeper_names_its_queue_and_its_transaction(db: Db, call: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="must not be null") as raised:
        db.conn.execute(f"select jobs.{call}".encode())
    assert raised.value.diag.message_hint


@pytest.mark.parametrize("duration", ["1 month", "1 day -1 hour", "1 month -29 days", "-1 month 30 days 1 second"])
@pytest.mark.parametrize("call", CALLS_WITH_AN_INTERVAL)
def test_an_interval_that_is_as_long_as_it_looks_is_taken(db: Db, call: str, duration: str) -> None:
    db.conn.execute(f"select jobs.{call}".encode(), [duration])


@pytest.mark.parametrize(("duration", "hours"), [("1 day", 24), ("1 day -13 hours", 11)])
def test_an_interval_is_so_many_seconds(db: Db, duration: str, hours: int) -> None:
    """By the calendar it is less where clocks are about to be set forward: here by 12 hours, within half a day."""
    first, last = (datetime.now(UTC) + timedelta(hours=wait) for wait in (12, 72))
    days = f"{first.timetuple().tm_yday - 1}/{first.hour},{last.timetuple().tm_yday - 1}"
    db.conn.execute(f"set timezone = 'STD0DST-12,{days}'".encode())

    def wait(call: str, column: str = "expires") -> Any:
        return one(db.conn, f"select round(extract(epoch from {column} - clock_timestamp()) / 3600) from jobs.{call}")

    db.conn.execute("select jobs.create_queue('default', null, %(d)s, %(d)s, %(d)s)", {"d": duration})
    id = one(db.conn, "select jobs.enqueue('default')")
    assert wait("reserve_batch('default', 1)") == hours
    assert wait(f"begin_attempt('default', {id}, 0)") == hours
    assert wait(f"fail('default', {id}, 1)", "schedule") == hours
    id = one(db.conn, "select jobs.enqueue('default')")
    assert wait(f"claim_batch('default', 1, '{duration}')") == hours
    assert wait(f"fail('default', {id}, 1, null, '{duration}')", "schedule") == hours
    id = one(db.conn, "select jobs.enqueue('default')")
    assert wait("claim_batch('default', 1, '1 hour')") == 1
    assert wait(f"extend('default', {id}, 1)") == hours
    assert wait(f"extend('default', {id}, 1, '{duration}')") == 2 * hours
    db.conn.execute("select jobs.enqueue('default')")
    assert wait(f"reserve_batch('default', 1, '{duration}')") == hours
