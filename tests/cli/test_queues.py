"""``ectojob queues`` and ``ectojob queue ...``."""

from datetime import UTC, datetime

from contract.harness import Db

from cli.conftest import Command


def cells(result: str, row: int) -> list[str]:
    """Return the cells of a row; 0 is the header."""
    return result.splitlines()[row].split()


def test_depth(ectojob: Command, db: Db) -> None:
    jobs = db.jobs
    for _ in range(3):
        jobs.enqueue("default")
    ectojob("enqueue", "default", "--schedule", "+1h")
    jobs.claim_batch("default", 1)
    ectojob("queue", "create", "emails")
    ectojob("queue", "pause", "emails")

    shown = ectojob("queues")
    assert shown.code == 0
    assert cells(shown.out, 1)[:7] == ["default", "1", "2", "0", "1", "0", "0"]
    assert cells(shown.out, 2) == ["emails", "0", "0", "0", "0", "0", "0", "paused"]
    assert shown.out.isascii()

    default, emails = ectojob("queues", "--json").document["queues"]
    counts = {name: default[name] for name in ("scheduled", "available", "reserved", "in_progress", "retry", "failed")}
    assert counts == {"scheduled": 1, "available": 2, "reserved": 0, "in_progress": 1, "retry": 0, "failed": 0}
    assert 0 < default["oldest_available"] < 60
    assert 0 < default["longest_running"] < 60
    assert datetime.fromisoformat(default["next_due"]) > datetime.now(UTC)
    assert (default["paused_at"], emails["oldest_available"]) == (None, None)
    assert "T" in emails["paused_at"]


def test_settings(ectojob: Command, db: Db) -> None:
    options = ["--max-attempts", "3", "--reservation-timeout", "90", "--execution-timeout", "1h", "--retry-timeout"]
    created = ectojob("queue", "create", "emails", *options, "0.5")
    assert created.code == 0
    assert cells(created.out, 1) == ["emails", "3", "1m30s", "1h", "500ms"]
    assert cells(ectojob("queues", "--settings").out, 1) == ["default", "5", "1m", "5m", "30s"]

    [queue] = ectojob("queue", "create", "emails", "--max-attempts", "4", "--json").document["queues"]
    settings = {name: queue[name] for name in queue if name.endswith(("attempts", "timeout"))}
    assert settings == {"max_attempts": 4, "reservation_timeout": 90, "execution_timeout": 3600, "retry_timeout": 0.5}


def test_pause_and_resume(ectojob: Command, db: Db) -> None:
    jobs = db.jobs
    jobs.enqueue("default")
    assert ectojob("queue", "pause", "default").out == "paused default\n"
    assert jobs.claim_batch("default", 1) == []
    assert ectojob("queue", "resume", "default", "--json").document == {"queue": "default", "paused": False}
    assert len(jobs.claim_batch("default", 1)) == 1


def test_drop(ectojob: Command, db: Db) -> None:
    db.jobs.enqueue("default")
    refused = ectojob("queue", "drop", "default")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: queue 'default' still has jobs [JQ003]\nhint: ")
    assert ectojob("queue", "drop", "default", "--force").out == "dropped default\n"
    assert ectojob("queues", "--json").document == {"queues": []}
    assert len(ectojob("queues").out.splitlines()) == 1


def test_bad_input_changes_nothing(ectojob: Command, db: Db) -> None:
    before = ectojob("queues", "--json").document
    for args, code, says in [
        (["create", ""], 1, "[22023]"),
        (["create", "x.failed"], 1, "[22023]"),
        (["create", "tab\there"], 1, "[22023]"),
        (["create", "x" * 49], 1, "[22023]"),
        (["create", "default", "--max-attempts", "0"], 1, "[22023]"),
        (["create", "default", "--max-attempts", "2147483648"], 2, "whole number"),
        (["create", "default", "--retry-timeout", "0"], 1, "[22023]"),
        (["create", "default", "--retry-timeout", "-1"], 2, "not a duration"),
        (["create", "default", "--execution-timeout", "31d"], 1, "[22023]"),
        (["create", "default", "--reservation-timeout", "999999999999d"], 2, "too long"),
        (["pause", "nope"], 1, "[JQ002]"),
        (["resume", "nope"], 1, "[JQ002]"),
        (["drop", "nope"], 1, "[JQ002]"),
        (["drop", "nope", "--force"], 1, "[JQ002]"),
        (["rename", "default"], 2, "No such command"),
        (["create"], 2, "Missing argument"),
    ]:
        result = ectojob("queue", *args)
        assert (result.code, result.out) == (code, ""), args
        assert says in result.err, args
        assert ("hint: " in result.err) == (code == 1), args
    after = ectojob("queues", "--json").document
    assert after == before
