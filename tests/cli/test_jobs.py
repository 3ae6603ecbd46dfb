"""``ectojob jobs``, ``requeue`` and ``remove``."""

from datetime import UTC, datetime, timedelta

import pytest
from contract.harness import Db

from cli.conftest import Command


@pytest.fixture
def failed(db: Db) -> list[int]:
    """Three FAILED jobs, in the order they failed in."""
    jobs = db.jobs
    jobs.enqueue_many("default", [{"n": 1}, {"n": 2}, {"n": 3}], max_attempts=1)
    for job in jobs.claim_batch("default", 3):
        jobs.fail(job.queue, job.id, job.attempt, f"no.{job.params['n']}\n\x1b[31mred [b]bold[/b]")
    return [1, 2, 3]


def ids(result: str) -> list[int]:
    """Return the column of ids."""
    return [int(line.split()[1]) for line in result.splitlines()[1:]]


def test_jobs_in_running_order(ectojob: Command, db: Db) -> None:
    jobs = db.jobs
    jobs.create_queue("emails")
    late, first, other = jobs.enqueue("default"), jobs.enqueue("default", priority=-1), jobs.enqueue("emails")
    tomorrow = jobs.enqueue("default", schedule=datetime.now(UTC) + timedelta(days=1))
    assert ids(ectojob("jobs").out) == [first, late, tomorrow, other]
    assert ids(ectojob("jobs", "--queue", "emails").out) == [other]
    assert ids(ectojob("jobs", "--state", "scheduled").out) == [tomorrow]
    assert ids(ectojob("jobs", "-q", "emails", "--state", "SCHEDULED").out) == []
    assert ectojob("jobs", "--state", "FAILED", "--json").document == {"jobs": []}

    limited = ectojob("jobs", "--limit", "2")
    assert ids(limited.out) == [first, late]
    assert "--limit" in limited.err
    [shown, _] = ectojob("jobs", "--limit", "2", "--json").document["jobs"]
    assert (shown["id"], shown["state"], shown["attempt"], shown["priority"]) == (first, "AVAILABLE", 0, -1)
    assert "params" not in shown
    assert datetime.fromisoformat(shown["schedule"]).tzinfo is not None


def test_jobs_of_a_queue_that_was_dropped(ectojob: Command, db: Db) -> None:
    db.a_queue("gone")
    id = db.a_job("AVAILABLE", queue="gone")["id"]
    db.lose_queue("gone")
    assert ids(ectojob("jobs", "--queue", "gone").out) == [id]
    assert ectojob("queues").out.splitlines()[-1].split()[-1] == "dropped"
    ectojob("remove", "gone", str(id))
    assert "unknown queue 'gone'" in ectojob("jobs", "--queue", "gone").err


def test_params_are_shown_when_asked_for(ectojob: Command, db: Db) -> None:
    db.jobs.enqueue("default", {"to": "joe", "text": "x" * 300})
    assert "joe" not in ectojob("jobs").out
    assert "x" * 300 in ectojob("jobs", "--params").out
    assert ectojob("jobs", "--params", "--json").document["jobs"][0]["params"]["to"] == "joe"


def test_failed_jobs_with_their_errors(ectojob: Command, failed: list[int]) -> None:
    shown = ectojob("jobs", "--failed")
    assert ids(shown.out) == failed[::-1]
    assert r"no.3\n\x1b[31mred [b]bold[/b]" in shown.out.splitlines()[1]
    assert ectojob("jobs", "--failed", "--json").document["jobs"][2]["last_error"].startswith("no.1\n\x1b[31m")


def test_requeue_by_id_is_all_or_none(ectojob: Command, db: Db, failed: list[int]) -> None:
    id = db.jobs.enqueue("default")
    refused = ectojob("requeue", "default", "1", str(id))
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"error: job {id} in queue 'default' is not FAILED [JQ004]\nhint: ")
    assert len(ids(ectojob("jobs", "--failed").out)) == len(failed)

    assert ectojob("requeue", "default", "1", "2", "1").out == "requeued 2 of queue default\n"
    assert ectojob("requeue", "default", "3", "--json").document == {"queue": "default", "requeued": [3]}
    assert ids(ectojob("jobs", "--failed").out) == []


def test_requeue_all(ectojob: Command, db: Db, failed: list[int]) -> None:
    db.jobs.enqueue("default")
    assert ectojob("requeue", "default", "--all-failed", "--json").document["requeued"] == failed
    assert ectojob("requeue", "default", "--all-failed").out == "requeued 0 of queue default\n"


def test_remove_is_all_or_none(ectojob: Command, db: Db, failed: list[int]) -> None:
    jobs = db.jobs
    running = jobs.enqueue("default")
    jobs.claim_batch("default", 1)
    for id in (str(running), "99"):
        refused = ectojob("remove", "default", "1", id)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith(f"error: job {id} of queue default can't be removed")
    assert ids(ectojob("jobs", "--failed").out) == failed[::-1]

    assert ectojob("remove", "default", "1", "2", "2").out == "removed 2 of queue default\n"
    assert ectojob("remove", "default", "3", "--json").document == {"queue": "default", "removed": [3]}
    assert ids(ectojob("jobs").out) == [running]


def test_bad_input_changes_nothing(ectojob: Command, failed: list[int]) -> None:
    before = ectojob("jobs", "--json", "--params").document
    for args, code, says in [
        (["jobs", "--queue", "nope"], 1, "[JQ002]"),
        (["jobs", "--state", "LOST"], 2, "LOST"),
        (["jobs", "--state", "RETRY", "--failed"], 2, "exclude each other"),
        (["jobs", "--limit", "0"], 2, "--limit"),
        (["jobs", "--limit", "9223372036854775808"], 2, "--limit"),
        (["requeue", "nope", "1"], 1, "[JQ002]"),
        (["requeue", "nope", "--all-failed"], 1, "[JQ002]"),
        (["requeue", "default"], 2, "--all-failed"),
        (["requeue", "default", "1", "--all-failed"], 2, "--all-failed"),
        (["requeue", "default", "one"], 2, "whole number"),
        (["requeue", "default", "9223372036854775808"], 2, "whole number"),
        (["requeue", "default", "9223372036854775807"], 1, "[JQ004]"),
        (["remove", "nope", "1"], 1, "[JQ002]"),
        (["remove", "default"], 2, "Missing argument"),
    ]:
        result = ectojob(*args)
        assert (result.code, result.out) == (code, ""), args
        assert says in result.err, args
    assert ectojob("jobs", "--json", "--params").document == before
    assert len(before["jobs"]) == len(failed)
