"""Each transition from each of the six states: this table is the specification.

A state: the job moves there. ``gone``: its row is deleted. A code: the call raises it, and changes nothing. ``.``: the
call returns no row (zero, an empty list), and changes nothing; ``enqueue`` leaves the jobs that are there alone.
All but the SCHEDULED have been begun twice, so that a stale attempt is a real one.
"""

from collections.abc import Callable
from typing import Any

import pytest

from ectojob_py.migrate import ROOT

from .harness import STATES, Db, Row

CONTRACT = """
                             SCHEDULED   AVAILABLE    RESERVED     IN_PROGRESS  RETRY        FAILED
enqueue                      .           .            .            .            .            .
enqueue_many                 .           .            .            .            .            .
reserve_batch                .           RESERVED     .            .            .            .
claim_batch                  .           IN_PROGRESS  .            .            .            .
begin_attempt                .           .            IN_PROGRESS  .            .            .
begin_attempt_late           .           .            .            .            .            .
begin_attempt_stale          .           .            .            .            .            .
begin_attempt_forged         .           .            .            .            .            .
complete                     JQ001       JQ001        JQ001        gone         JQ001        JQ001
complete_late                JQ001       JQ001        JQ001        gone         JQ001        JQ001
complete_stale               JQ001       JQ001        JQ001        JQ001        JQ001        JQ001
complete_forged              JQ001       JQ001        JQ001        JQ001        JQ001        JQ001
complete_batch               JQ001       JQ001        JQ001        gone         JQ001        JQ001
complete_batch_late          JQ001       JQ001        JQ001        gone         JQ001        JQ001
complete_batch_stale         JQ001       JQ001        JQ001        JQ001        JQ001        JQ001
complete_batch_forged        JQ001       JQ001        JQ001        JQ001        JQ001        JQ001
fail                         .           .            .            RETRY        .            .
fail_late                    .           .            .            RETRY        .            .
fail_stale                   .           .            .            .            .            .
fail_forged                  .           .            .            .            .            .
extend                       .           .            .            IN_PROGRESS  .            .
extend_late                  .           .            .            IN_PROGRESS  .            .
extend_stale                 .           .            .            .            .            .
extend_forged                .           .            .            .            .            .
release                      .           .            AVAILABLE    AVAILABLE    .            .
release_late                 .           .            AVAILABLE    AVAILABLE    .            .
release_stale                .           .            .            .            .            .
release_forged               .           .            .            .            .            .
activate_scheduled           .           .            .            .            .            .
activate_scheduled_late      AVAILABLE   .            .            .            AVAILABLE    .
reactivate_expired           .           .            .            .            .            .
reactivate_expired_late      .           .            AVAILABLE    AVAILABLE    .            .
requeue                      JQ004       JQ004        JQ004        JQ004        JQ004        AVAILABLE
remove                       gone        gone         .            .            gone         gone
"""

CALLS: dict[str, Callable[[Db, Row, int], Any]] = {
    "enqueue": lambda db, job, _: db.jobs.enqueue(job["queue"], {"another": "job"}),
    "enqueue_many": lambda db, job, _: db.jobs.enqueue_many(job["queue"], [{"another": "job"}]),
    "reserve_batch": lambda db, job, _: db.jobs.reserve_batch(job["queue"], 10),
    "claim_batch": lambda db, job, _: db.jobs.claim_batch(job["queue"], 10),
    "begin_attempt": lambda db, job, attempt: db.jobs.begin_attempt(job["queue"], job["id"], attempt),
    "complete": lambda db, job, attempt: db.jobs.complete(job["queue"], job["id"], attempt),
    "complete_batch": lambda db, job, attempt: db.jobs.complete_batch(job["queue"], [job["id"]], [attempt]),
    "fail": lambda db, job, attempt: db.jobs.fail(job["queue"], job["id"], attempt),
    "extend": lambda db, job, attempt: db.jobs.extend(job["queue"], job["id"], attempt),
    "release": lambda db, job, attempt: db.jobs.release(job["queue"], job["id"], attempt),
    "activate_scheduled": lambda db, job, _: db.jobs.activate_scheduled(job["queue"]),
    "reactivate_expired": lambda db, job, _: db.jobs.reactivate_expired(job["queue"]),
    "requeue": lambda db, job, _: db.jobs.requeue(job["queue"], job["id"]),
    "remove": lambda db, job, _: db.jobs.remove(job["queue"], job["id"]),
}

VARIANTS = ("late", "stale", "forged")


def cells() -> list[Any]:
    header, *lines = CONTRACT.split("\n")[1:-1]
    assert tuple(header.split()) == STATES
    return [
        pytest.param(name, state, outcome, id=f"{name}-{state}")
        for name, *outcomes in (line.split() for line in lines)
        for state, outcome in zip(STATES, outcomes, strict=True)
    ]


def arrange(db: Db, state: str, variant: str) -> Row:
    # A FAILED job of two attempts keeps none back; every other job could be tried again.
    max_attempts = 2 if state == "FAILED" else 9
    job = db.a_job(state, attempt=None if state == "SCHEDULED" else 2, max_attempts=max_attempts)
    if variant == "late" and job["expires"]:
        db.let_lease_end(job["id"])
    if variant == "late" and state in ("SCHEDULED", "RETRY"):
        db.let_schedule_come(job["id"])
    return db.job(job["id"])


@pytest.mark.parametrize(("name", "state", "outcome"), cells())
def test_each_transition_from_each_state(db: Db, name: str, state: str, outcome: str) -> None:
    head, _, tail = name.rpartition("_")
    call, variant = (head, tail) if tail in VARIANTS else (name, "")
    job = arrange(db, state, variant)
    attempt = job["attempt"] + {"stale": -1, "forged": 1}.get(variant, 0)

    if outcome.startswith("JQ"):
        with db.refuses(outcome):
            CALLS[call](db, job, attempt)
        return
    result = CALLS[call](db, job, attempt)

    after = {row["id"]: row for row in db.all_jobs()}
    if outcome == "gone":
        assert job["id"] not in after
    elif outcome == ".":
        assert after[job["id"]] == job
        assert call.startswith("enqueue") or not result
    else:
        now = after[job["id"]]
        assert result
        assert now["state"] == outcome
        assert now["attempt"] == job["attempt"] + (call in ("claim_batch", "begin_attempt")) + (
            call == "reactivate_expired" and state == "RESERVED"
        )
        assert (now["expires"] is not None) == (outcome in ("RESERVED", "IN_PROGRESS"))
        untouched = ("queue", "id", "priority", "params", "notify", "inserted_at")
        assert {key: now[key] for key in untouched} == {key: job[key] for key in untouched}
        assert (now["updated_at"] > job["updated_at"]) == (call != "extend")


def test_the_table_has_a_line_for_every_transition() -> None:
    lines = {line.split()[0] for line in CONTRACT.split("\n")[2:-1]}
    files = {path.stem for path in (ROOT / "sql/postgres/transitions").glob("*.sql")}
    assert lines & set(CALLS) == set(CALLS) == files


NO_KEY = ("enqueue", "enqueue_many", "reserve_batch", "claim_batch", "activate_scheduled", "reactivate_expired")


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_queue_is_refused(db: Db, call: str) -> None:
    job = db.a_job("IN_PROGRESS")
    with db.refuses("JQ002"):
        CALLS[call](db, {**job, "queue": "no such queue"}, 1)


@pytest.mark.parametrize("call", [name for name in CALLS if name not in ("activate_scheduled", "reactivate_expired")])
def test_a_null_queue_is_refused(db: Db, call: str) -> None:
    job = db.a_job("IN_PROGRESS")
    with db.refuses("22023"):
        CALLS[call](db, {**job, "queue": None}, 1)


@pytest.mark.parametrize("call", [name for name in CALLS if name not in NO_KEY])
def test_a_null_id_is_refused(db: Db, call: str) -> None:
    job = db.a_job("IN_PROGRESS")
    with db.refuses("22023"):
        CALLS[call](db, {**job, "id": None}, 1)


@pytest.mark.parametrize("call", [name for name in CALLS if name not in (*NO_KEY, "requeue", "remove")])
def test_a_null_attempt_is_refused(db: Db, call: str) -> None:
    job = db.a_job("IN_PROGRESS")
    with db.refuses("22023"):
        CALLS[call](db, job, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("call", [name for name in CALLS if name not in NO_KEY])
def test_the_queue_is_part_of_the_key(db: Db, call: str) -> None:
    db.a_queue("other")
    moves_from = {"requeue": "FAILED", "remove": "AVAILABLE", "begin_attempt": "RESERVED"}
    job = db.a_job(moves_from.get(call, "IN_PROGRESS"))
    stranger = {**job, "queue": "other"}
    if call in ("complete", "complete_batch", "requeue"):
        with db.refuses("JQ004" if call == "requeue" else "JQ001"):
            CALLS[call](db, stranger, job["attempt"])
    else:
        with db.changes_nothing():
            assert not CALLS[call](db, stranger, job["attempt"])


@pytest.mark.parametrize("call", [name for name in CALLS if name not in NO_KEY])
def test_a_job_that_never_was(db: Db, call: str) -> None:
    nobody = {"queue": "default", "id": 9_223_372_036_854_775_807}
    if call in ("complete", "complete_batch", "requeue"):
        with db.refuses("JQ004" if call == "requeue" else "JQ001"):
            CALLS[call](db, nobody, 1)
    else:
        with db.changes_nothing():
            assert not CALLS[call](db, nobody, 1)
