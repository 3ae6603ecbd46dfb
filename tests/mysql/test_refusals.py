"""What the servers would let through, or tell in words of their own."""

import psycopg
import pymysql
import pytest
from contract.harness import Db
from contract.test_queues import ILLEGAL

from .conftest import Ask, Connect

INVALID = 31022
NO_SUCH_VARIABLE = 1193
READ_ONLY = 1290


@pytest.fixture(params=["nothing", "check_constraint_checks = 0", "max_error_count = 0"])
def unchecked(request: pytest.FixtureRequest, db: Db, ask: Ask) -> Db:
    """The words of the contract, in a session that has set what anyone may."""
    try:
        ask(f"set {request.param}" if "=" in request.param else "do 0", on=db.conn)
    except pymysql.MySQLError as error:
        if error.args[0] != NO_SUCH_VARIABLE:
            raise
        pytest.skip("MariaDB alone has it")
    return db


@pytest.mark.parametrize("name", ILLEGAL, ids=ascii)
def test_an_illegal_name_is_refused_whatever_the_session_says_of_constraints(unchecked: Db, name: str) -> None:
    with unchecked.refuses("22023"):
        unchecked.jobs.create_queue(name)


@pytest.mark.parametrize(
    ("name", "hint"), [("emails.completed", r"may not end in \.completed"), (" emails", "no space"), ("", "1 to 48")]
)
def test_the_hint_says_what_is_wrong_with_a_name(db: Db, name: str, hint: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=hint):
        db.jobs.create_queue(name)


def test_a_long_name_leaves_room_for_the_hint(db: Db) -> None:
    longest = 2**63 - 1
    name = "'" * 48
    db.a_queue(name)
    db.jobs.enqueue(name)
    refused: list[tuple[str, tuple[object, ...], str]] = [
        ("complete", (name, longest, 2**31 - 1), "Roll back: another attempt does the work."),
        ("requeue", (name, longest), "the view job_state shows what it is."),
        ("drop_queue", (name,), "Let them end, or pass force to delete them, FAILED ones included."),
        ("pause_queue", ("'" * 49,), "Create it with create_queue; view queue_depth lists those there are."),
        ("create_queue", ("'" * 38 + ".completed",), "It may not end in .completed, .retry, .failed or .scheduled."),
        ("create_queue", ("'" * 49,), "1 to 48 printable bytes, no space around them."),
    ]
    for call, args, hint in refused:
        with pytest.raises(psycopg.DatabaseError) as error:
            db.raw.value(call, *args)
        assert error.value.diag.message_hint == hint


def test_names_are_told_from_channels_by_case(db: Db) -> None:
    db.jobs.create_queue("emails.COMPLETED")


@pytest.mark.parametrize(
    ("call", "argument", "value"),
    [
        *[("enqueue", 0, params) for params in ("[]", "1", "x", '"x"', "null", None, "{", "")],
        *[("enqueue_many", 0, params) for params in ("[1]", "[{}, null]", "[[]]", "{}", None)],
        *[("enqueue", 1, moment) for moment in ("0999-12-31", "9999-01-01")],
        *[("enqueue", 2, attempts) for attempts in (0, -1, 10_001)],
        ("enqueue", 4, "x" * 8000),
        ("create_queue", 0, 0),
        *[("create_queue", number, 0) for number in (1, 2, 3)],
    ],
)
def test_a_row_is_legal_whatever_the_session_says_of_constraints(
    unchecked: Db, call: str, argument: int, value: object
) -> None:
    passed: list[object] = [{"enqueue": "{}", "enqueue_many": "[{}]"}.get(call), None, None, None, None]
    passed[argument] = value
    with unchecked.refuses("22023"):
        unchecked.raw.value(call, "default", *passed[: 4 if call == "create_queue" else 5])


@pytest.mark.parametrize("seconds", [None, -1, -0.000001])
def test_nobody_sleeps_for_less_than_no_time(db: Db, seconds: float | None) -> None:
    with db.refuses("22023"):
        db.raw.value("wait_for_job", "default", seconds)


def test_there_is_no_queue_null_to_wake(db: Db) -> None:
    with db.refuses("22023"):
        db.raw.value("wake", None)


def test_a_payload_whose_base64_the_server_cannot_hold_is_a_bad_argument(db: Db, connect: Connect, ask: Ask) -> None:
    [(before,)] = ask("select @@global.max_allowed_packet")
    ask("set global max_allowed_packet = 1048576")
    try:
        session = connect()
    finally:
        ask("set global max_allowed_packet = %s", before)
    call = "call enqueue_payload('default', repeat('x', %s), null, null, null, null)"
    with db.changes_nothing(), pytest.raises(pymysql.MySQLError, match=r"780000 bytes long HINT: .* 1048576") as caught:
        ask(call, 780_000, on=session)
    assert caught.value.args[0] == 31022
    assert ask(call, 770_000, on=session)


@pytest.mark.parametrize("schedule", ["2027-00-00", "2027-01-00", "2027-00-01 10:00:00", "0000-00-00"])
def test_no_schedule_is_without_a_month_or_a_day_which_no_client_can_read(db: Db, ask: Ask, schedule: str) -> None:
    ask("set sql_mode = ''", on=db.conn)
    for call, params in (("enqueue", "{}"), ("enqueue_many", "[{}]")):
        with pytest.raises(pymysql.MySQLError, match="is out of range") as error:
            ask(f"call {call}('default', %s, %s, null, null, null)", params, schedule, on=db.conn)
        assert error.value.args[0] == INVALID
    assert db.all_jobs() == []


def test_a_read_only_server_takes_no_call_of_whoever_may_write_there(db: Db, ask: Ask) -> None:
    id = db.jobs.enqueue("default")
    [job] = db.jobs.claim_batch("default", 1)
    calls: list[tuple[str, tuple[object, ...]]] = [
        ("enqueue", ("default", "{}", None, None, None, None)),
        ("claim_batch", ("default", 1, None)),
        ("complete", ("default", id, job.attempt)),
        ("fail", ("default", id, job.attempt, None, None)),
        ("create_queue", ("new", None, None, None, None)),
        ("pause_queue", ("default",)),
        ("resume_queue", ("default",)),
    ]
    ask("set global read_only = 1")
    try:
        with db.changes_nothing():
            for name, args in calls:
                with pytest.raises(pymysql.OperationalError, match="read-only HINT") as error:
                    ask(f"call {name}({', '.join(['%s'] * len(args))})", *args, on=db.conn)
                assert error.value.args[0] == READ_ONLY
    finally:
        ask("set global read_only = 0")
