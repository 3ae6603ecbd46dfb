from datetime import UTC, datetime

import pytest

from ectojob_py.job import Document

from .harness import HOUR, SECOND, Db


def test_one_job_per_element_and_their_ids_in_order(db: Db) -> None:
    ids = db.jobs.enqueue_many("default", [{"n": n} for n in range(200)])
    assert [db_job["id"] for db_job in db.all_jobs()] == ids == sorted(ids)
    assert [db_job["params"]["n"] for db_job in db.all_jobs()] == list(range(200))


def test_the_other_arguments_hold_for_every_job(db: Db) -> None:
    moment = db.now() + HOUR
    db.jobs.enqueue_many("default", [{}, {}], moment, 3, 9, "done")
    assert [
        (job["state"], job["schedule"], job["max_attempts"], job["priority"], job["notify"]) for job in db.all_jobs()
    ] == [("SCHEDULED", moment, 3, 9, "done")] * 2


def test_a_schedule_that_has_just_come_is_available(db: Db) -> None:
    db.jobs.enqueue_many("default", [{}], db.now() - SECOND)
    db.jobs.enqueue_many("default", [{}], db.now() + 30 * SECOND)
    assert [job["state"] for job in db.all_jobs()] == ["AVAILABLE", "SCHEDULED"]


def test_nulls_mean_the_defaults(db: Db) -> None:
    db.a_queue(max_attempts=8)
    db.raw.values("enqueue_many", "default", [Document({})], None, None, None, None)
    [job] = db.all_jobs()
    assert (job["state"], job["max_attempts"], job["priority"], job["notify"]) == ("AVAILABLE", 8, 0, None)


def test_jobs_run_in_the_order_of_the_array(db: Db) -> None:
    ids = db.jobs.enqueue_many("default", [{"n": n} for n in range(20)])
    assert [job.id for job in db.jobs.reserve_batch("default", 20)] == ids


def test_an_empty_array_enqueues_nothing(db: Db) -> None:
    with db.changes_nothing():
        assert db.jobs.enqueue_many("default", []) == []


def test_an_empty_array_still_names_a_queue(db: Db) -> None:
    with db.refuses("JQ002"):
        db.jobs.enqueue_many("no such queue", [])


@pytest.mark.parametrize("params", [[], [{}], "text", 1, True, None], ids=repr)
def test_one_element_that_is_no_object_refuses_all(db: Db, params: object) -> None:
    with db.refuses("22023", "element 2 of params must be a JSON object"):
        db.raw.values("enqueue_many", "default", [Document({}), Document(params), Document({}), Document([])])


def test_a_null_element_refuses_all(db: Db) -> None:
    with db.refuses("22023", "element 2 of params must be a JSON object"):
        db.raw.values("enqueue_many", "default", [Document({}), None])


def test_a_null_array_is_refused(db: Db) -> None:
    with db.refuses("22023"):
        db.raw.values("enqueue_many", "default", None)


@pytest.mark.parametrize(
    "argument",
    [
        {"max_attempts": 0},
        {"max_attempts": 10_001},
        {"schedule": datetime(9999, 1, 1, tzinfo=UTC)},
        {"schedule": datetime(999, 1, 1, tzinfo=UTC)},
        {"notify": "x" * 8000},
    ],
    ids=lambda argument: next(iter(argument)),
)
def test_absurd_values_are_refused(db: Db, argument: dict[str, object]) -> None:
    with db.refuses("22023"):
        db.jobs.enqueue_many("default", [{}], **argument)  # type: ignore[arg-type]
