"""``ectojob enqueue``."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

from clocks import Clocks
from contract.harness import Db

from cli.conftest import Ask, Command
from ectojob_py.cli.enqueue import _at
from ectojob_py.cli.typed import Moment


def rows(db: Db, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of all jobs."""
    return [tuple(job[column] for column in columns) for job in db.all_jobs()]


def test_it_prints_the_id(ectojob: Command, db: Db) -> None:
    result = ectojob("enqueue", "default", '{"to": "joe"}', "--priority", "-3", "--max-attempts", "2", "--notify", "x")
    assert result.code == 0
    found = rows(db, "id", "params", "state", "priority", "max_attempts", "notify")
    assert found == [(int(result.out), {"to": "joe"}, "AVAILABLE", -3, 2, "x")]
    assert ectojob("enqueue", "default", "--json").document == {"queue": "default", "ids": [int(result.out) + 1]}
    assert rows(db, "params", "max_attempts")[1] == ({}, 5)


def test_a_wait_begins_by_the_databases_clock(ectojob: Command, db: Db) -> None:
    ectojob("enqueue", "default", "--schedule", "+5m")
    ectojob("enqueue", "default", "--schedule", "2999-01-31T09:00:00+02:00")
    waiting, far = db.all_jobs()
    assert (waiting["state"], far["state"]) == ("SCHEDULED", "SCHEDULED")
    wait = waiting["schedule"] - waiting["inserted_at"]
    assert timedelta(minutes=4, seconds=59) <= wait <= timedelta(minutes=5)
    assert far["schedule"] == datetime(2999, 1, 31, 7, tzinfo=UTC)


def test_a_wait_is_as_long_as_it_is_whatever_the_clocks_show() -> None:
    session = Mock(clock=lambda: datetime(2026, 3, 29, 1, 58, fold=1, tzinfo=Clocks()))
    at = _at(Moment(wait=timedelta(minutes=5)), session)
    assert at == datetime(2026, 3, 29, 1, 3, tzinfo=UTC)


def test_params_arrive_as_they_were_typed(ectojob: Command, ask: Ask, dsn: str) -> None:
    [(version,)] = ask("select version()")
    digits = 300 if dsn.startswith("mysql:") else 5000  # there, a number must fit into a double
    in_batches_too = not dsn.startswith("mysql:") or "MariaDB" in version  # see enqueue_many in sql/README.md
    typed = '{"big": 12345678901234567890.12345678901234567890, "one": 1.00, "long": ' + "9" * digits + "}"
    assert ectojob("enqueue", "default", typed).code == 0
    if in_batches_too:
        assert ectojob("enqueue", "default", "-", stdin=typed).code == 0
    for options in (["--params", "--json"], ["--params"]):
        shown = ectojob("jobs", *options).out
        for part in ('"big": 12345678901234567890.12345678901234567890', '"one": 1.00', '"long": ' + "9" * digits):
            assert shown.count(part) == 1 + in_batches_too, part


def test_one_job_per_line(ectojob: Command, db: Db) -> None:
    lines = "".join(f'{{"n": {n}}}\n' for n in range(2500))
    result = ectojob("enqueue", "default", "-", "--priority", "7", stdin=lines.replace("\n", "\n\n", 1))
    assert result.code == 0
    assert [int(line) for line in result.out.splitlines()] == [id for (id,) in rows(db, "id")]
    assert rows(db, "params", "priority") == [({"n": n}, 7) for n in range(2500)]
    assert ectojob("enqueue", "default", "-", "--json", stdin="\n \n").document == {"queue": "default", "ids": []}


BAD: list[tuple[list[str], str | bytes, int, str]] = [
    (["default", "oops"], "", 2, "PARAMS is not JSON: Expecting value at character 1"),
    (["default", ""], "", 2, "PARAMS is not JSON"),
    (["default", '{"a": NaN}'], "", 2, "NaN is not a JSON number"),
    (["default", '{"a": ' * 100_000], "", 2, "nested too deeply"),
    (["default", "[1]"], "", 2, "PARAMS must be a JSON object, not [1]"),
    (["default", "null"], "", 2, "PARAMS must be a JSON object, not null"),
    (["default", '"x"'], "", 2, "PARAMS must be a JSON object"),
    (["default", "\udcff"], "", 2, ""),
    (["\udcff"], "", 2, "not valid UTF-8"),
    (["nope"], "", 1, "unknown queue 'nope' [JQ002]"),
    ([""], "", 1, "[JQ002]"),
    (["default", "--schedule", "tomorrow"], "", 2, "no moment"),
    (["default", "--schedule", "2030-01-31T09:00:00"], "", 2, "no time zone"),
    (["default", "--schedule", "+5 minutes"], "", 2, "not a duration"),
    (["default", "--schedule", "9999-06-01T00:00:00Z"], "", 1, "out of range [22023]"),
    (["default", "--schedule", "+999999999d"], "", 2, "later than any date"),
    (["default", "--schedule", "+4000000d"], "", 2, "later than any date"),
    (["default", "--max-attempts", "0"], "", 1, "max_attempts must be between 1 and 10000, not 0 [22023]"),
    (["default", "--max-attempts", "99999999999"], "", 2, "not a whole number"),
    (["default", "--priority", "1.5"], "", 2, "not a whole number"),
    (["default", "--notify", "x" * 8000], "", 1, "notify is 8000 bytes long [22023]"),
    (["default", "-"], '{"n": 1}\noops\n', 2, "line 2 is not JSON: Expecting value at character 1"),
    (["default", "-"], '{"n": 1}\n\n[2]\n', 2, "line 3 must be a JSON object, not [2]"),
    (["default", "-"], b'{"n": 1}\n{"n": "\xff"}\n', 2, "line 2 is not valid UTF-8"),
    (["default", "-"], '{"n": 1}\n' * 2000 + "{", 2, "line 2001 is not JSON"),
    (["default", "-"], '{"n": 1}\n' * 2000 + '{"n": ' * 300 + "1" + "}" * 301, 2, "line 2001 is not JSON"),
    (["nope", "-"], '{"n": 1}\n', 1, "unknown queue 'nope' [JQ002]"),
]
NUL: list[tuple[list[str], str | bytes, int, str]] = [  # which PostgreSQL can't store
    (["nul\x00"], "", 1, "NUL"),
    (["default", '{"a": "\\u0000"}'], "", 1, "[22P05]"),
    (["default", "-"], '{"n": 1}\n' * 2000 + '{"n": "\\u0000"}', 1, "[22P05]"),
]


def test_bad_input_changes_nothing(ectojob: Command, db: Db, dsn: str) -> None:
    for args, stdin, code, says in BAD if dsn.startswith("mysql:") else BAD + NUL:
        result = ectojob("enqueue", *args, stdin=stdin)
        told = " ".join(result.err.replace("│", " ").split())
        case = " ".join(args)[:60], stdin[-40:], told
        assert (result.code, result.out) == (code, ""), case
        assert says in told, case
        assert "Traceback" not in told, case
    assert rows(db, "id") == []


def test_an_error_has_its_hint(ectojob: Command, dsn: str) -> None:
    error, hint = ectojob("enqueue", "nope").err.splitlines()
    assert error == "error: unknown queue 'nope' [JQ002]"
    assert hint.startswith("hint: Create it")
    if not dsn.startswith("mysql:"):
        assert ectojob("enqueue", "default", '{"a": "\\u0000"}').err.splitlines()[1] == (
            r"detail: \u0000 cannot be converted to text."
        )


def test_a_refusal_says_among_which_lines_it_is(ectojob: Command, dsn: str) -> None:
    assert "where: lines 1 to 2" in ectojob("enqueue", "nope", "-", stdin="{}\n{}\n").err.splitlines()
    if not dsn.startswith("mysql:"):
        lines = "{}\n" * 2500 + '{"a": "\\u0000"}\n'
        assert "where: lines 2001 to 2501" in ectojob("enqueue", "default", "-", stdin=lines).err.splitlines()
