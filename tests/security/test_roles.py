"""Who may do what: every function, view and table by every role, on every database."""

import pytest
from contract.harness import Db

from ectojob_py.calls import calls_on
from ectojob_py.job import Document

from .places import MAY_CALL, MAY_READ, OWNER, ROLES, SLEEPING, STRANGER, VIEWS, MysqlPlace, Place

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "enqueue": ("default", Document({})),
    "enqueue_many": ("default", [Document({})]),
    "enqueue_payload": ("default", b"x"),
    "reserve_batch": ("default", 1),
    "claim_batch": ("default", 1),
    "begin_attempt": ("default", 1, 1),
    "complete": ("default", 1, 1),
    "complete_batch": ("default", [1], [1]),
    "fail": ("default", 1, 1),
    "extend": ("default", 1, 1),
    "release": ("default", 1, 1),
    "activate_scheduled": (),
    "reactivate_expired": (),
    "fall_asleep": ("default",),
    "in_flight": ("1",),
    "wake_up": ("default",),
    "next_due": ("default",),
    "requeue": ("default", 1),
    "remove": ("default", 1),
    "create_queue": ("mine",),
    "drop_queue": ("default",),
    "pause_queue": ("default",),
    "resume_queue": ("default",),
    "version": (),
}
EVERYBODY = (*ROLES, STRANGER)


def test_every_public_function_is_for_somebody() -> None:
    assert set(ARGUMENTS) == MAY_CALL[OWNER] == set().union(*(MAY_CALL[role] for role in ROLES if role != OWNER))


@pytest.mark.parametrize("role", EVERYBODY)
def test_a_role_may_call_what_it_is_for_and_nothing_else(place: Place, db: Db, role: str) -> None:
    with place.connect(role) as conn:
        for function, arguments in ARGUMENTS.items():
            if isinstance(place, MysqlPlace) and function in SLEEPING:
                continue
            before = db.snapshot()
            try:
                calls_on(conn, "jobs").values(function, *arguments)
                denied = False
            except place.Error as error:
                denied = place.denied(error)
            assert denied != (function in MAY_CALL[role]), function
            if denied:
                assert db.snapshot() == before


@pytest.mark.parametrize("role", [role for role in EVERYBODY if role != OWNER])
def test_nobody_but_the_owner_touches_a_table(place: Place, db: Db, role: str) -> None:
    db.a_job("IN_PROGRESS")
    before = db.snapshot()
    with place.connect(role) as conn:
        for statement in [
            "select * from jobs.job",
            "select id from jobs.job for update",
            "select * from jobs.queue",
            "select * from jobs.migration",
            "insert into jobs.queue (name) values ('mine')",
            "update jobs.job set attempt = 7",
            "delete from jobs.job",
            "truncate table jobs.job",
            "drop table jobs.job",
            "alter table jobs.job drop column params",
            "create table jobs.mine (id integer)",
            "drop view jobs.failed",
            "create or replace view jobs.failed as select 1 as x",
        ]:
            with pytest.raises(place.Error) as caught:
                place.execute(conn, statement)
            assert place.denied(caught.value), statement
    assert db.snapshot() == before


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("view", VIEWS)
def test_views_are_for_those_who_watch(place: Place, db: Db, role: str, view: str) -> None:
    db.a_job("FAILED")
    with place.connect(role) as conn:
        if role in MAY_READ:
            place.execute(conn, f"select * from jobs.{view}")
        else:
            with pytest.raises(place.Error) as caught:
                place.execute(conn, f"select * from jobs.{view}")
            assert place.denied(caught.value)


def test_what_the_reader_sees_shows_no_payload(place: Place, db: Db) -> None:
    for state in ("SCHEDULED", "RESERVED", "IN_PROGRESS", "RETRY", "FAILED", "AVAILABLE"):
        db.a_job(state, params={"secret": "canary"}, notify="canary")
    with place.connect("reader") as conn:
        seen = {view: place.execute(conn, f"select * from jobs.{view}") for view in VIEWS}
    assert {view: len(rows) for view, rows in seen.items()} == {
        "queue_depth": 1,
        "job_state": 6,
        "running": 2,
        "overdue": 0,
        "failed": 1,
    }
    assert "canary" not in str(seen)


@pytest.mark.parametrize("function", ["enqueue", "claim_batch", "create_queue", "next_due", "requeue"])
def test_a_name_of_a_megabyte_is_not_said_back(place: Place, db: Db, function: str) -> None:
    """A message goes to logs, too: nobody may flood those, with 2 MB for each MB he sends."""
    arguments = ("x" * 2**20, *ARGUMENTS[function][1:])
    with place.connect(OWNER) as conn, pytest.raises(place.Error) as caught, db.changes_nothing():
        calls_on(conn, "jobs").values(function, *arguments)
    assert len(str(caught.value)) < 1000
