"""The command as a process: streams, signals, and what is never shown."""

import json
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points, version
from time import sleep

import pytest
from contract.harness import Db

from cli.conftest import Ask, Command, Start
from ectojob_py.cli import main

COMMANDS = ["migrate", "work", "enqueue", "queues", "jobs", "requeue", "remove", "demo"]


def test_the_console_script_is_this_one() -> None:
    [script] = entry_points(group="console_scripts", name="ectojob")
    assert script.load() is main


def test_version(bare: Command) -> None:
    assert bare("--version").out == f"{version('ectojob')}\n"


def test_help_teaches(bare: Command) -> None:
    whole = bare("--help").out
    for command in [*COMMANDS, "queue"]:
        assert f"│ {command} " in whole
        assert bare(command, "--help").code == 0
    for words in [[name] for name in COMMANDS] + [["queue", name] for name in ("create", "pause", "resume", "drop")]:
        shown = bare(*words, "--help").out
        assert f"Example: ectojob {' '.join(words)}" in shown, words
        assert "--dsn" in shown, words


def test_wrong_commands(bare: Command) -> None:
    for args in (["migrat"], ["queues", "--nope"], ["queues", "extra"], ["enqueue"], []):
        result = bare(*args)
        assert result.code == 2, args
        assert "Usage: ectojob" in result.err + result.out, args


@pytest.mark.usefixtures("db")
def test_enqueue_and_look(start: Start) -> None:
    process = start("enqueue", "default", "-", "--json")
    said, error = process.communicate('{"n": 1}\n', timeout=20)
    assert (process.returncode, said, error) == (0, '{"queue": "default", "ids": [1]}\n', "")
    said, error = start("jobs").communicate(timeout=20)
    assert said.splitlines()[1].split()[:3] == ["default", "1", "AVAILABLE"]
    assert "\x1b" not in said


def test_an_error_is_no_traceback_unless_asked_for(start: Start) -> None:
    _, said = start("enqueue", "nope").communicate(timeout=20)
    assert said.startswith("error: unknown queue 'nope' [JQ002]\nhint: ")
    _, said = start("enqueue", "nope", env={"ECTOJOB_DEBUG": "1"}).communicate(timeout=20)
    assert said.startswith("Traceback")
    assert "error: unknown queue 'nope' [JQ002]\nhint: " in said


def test_a_defect_is_said_in_two_lines(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ectojob_py.cli.options.Chosen.connected", lambda *_: 1 / 0)
    result = bare("queues")
    assert result.code == 1
    [error, hint] = result.err.splitlines()
    assert error == "error: ZeroDivisionError: division by zero"
    assert "ECTOJOB_DEBUG=1" in hint


def test_the_demo_leaves_the_database_of_the_environment_alone(
    ectojob: Command, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str | None, bool]] = []

    def shop(dsn: str | None, psql: bool) -> int:
        given.append((dsn, psql))
        return len(given)

    monkeypatch.setattr("ectojob_py.demo.main", shop)
    codes = [ectojob("demo").code, ectojob("demo", "--psql").code, ectojob("demo", "--dsn", dsn).code]
    assert given == [(None, False), (None, True), (dsn, False)]
    assert codes == [1, 2, 3]


def test_ctrl_c_while_the_commands_are_imported_is_quiet() -> None:
    program = """
import sys
class Impatient:
    def find_spec(self, name, *_):
        if name == "ectojob_py.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
from ectojob_py.cli import main
sys.exit(main(["queues"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_no_connection_takes_the_place_of_a_closed_stream() -> None:
    program = "import os; from ectojob_py.cli import main; main(['--help']); os._exit(os.open('/', os.O_RDONLY))"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, program], check=False)
    assert done.returncode > 2


def test_the_first_process_of_a_container_hears_sigterm_from_the_start() -> None:
    program = """
import os
import signal
from ectojob_py import cli
os.getpid = lambda: 1
cli._run = lambda _: print("begun", flush=True) or signal.pause()
cli.main()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.terminate()
    assert process.returncode == 143


def has_begun(ask: Ask, dsn: str) -> bool:
    """Tell whether a session has written jobs and not committed."""
    if dsn.startswith("mysql:"):
        sleep(0.15)  # this table stands still while it is read more often than every 0.1 s
        # Of a later session than this one: that of the test before may still be rolling back.
        later = "trx_mysql_thread_id > connection_id()"
        return ask(f"select sum(trx_rows_modified) > 0 from information_schema.innodb_trx where {later}") == [(1,)]
    return ask("select 1 from pg_locks where relation = 'jobs.job'::regclass and mode = 'RowExclusiveLock'") != []


def test_ctrl_c_is_quiet_and_changes_nothing(start: Start, db: Db, ask: Ask, dsn: str) -> None:
    process = start("enqueue", "default", "-")
    assert process.stdin
    process.stdin.write('{"n": 1}\n' * 5000)
    process.stdin.flush()
    while not has_begun(ask, dsn):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said, error = process.communicate(timeout=20)
    assert (process.returncode, said, error) == (130, "", "")
    assert db.all_jobs() == []


def test_a_reader_may_stop_reading(start: Start, db: Db) -> None:
    db.jobs.enqueue_many("default", [{}] * 2000)
    for args in (["jobs", "--limit", "2000"], ["jobs", "--limit", "2000", "--json"], ["queues"], ["--version"]):
        reader, writer = os.pipe()
        os.close(reader)
        process = start(*args, stdout=writer)
        os.close(writer)
        _, error = process.communicate(timeout=20)
        assert (process.returncode, error) == (1, ""), args


@pytest.mark.parametrize(
    ("into", "code", "says"),
    [(">&-", 0, ""), (">/dev/full", 1, "error: [Errno 28] No space left on device\n")],
)
@pytest.mark.usefixtures("db")
def test_stdout_that_takes_nothing(dsn: str, into: str, code: int, says: str) -> None:
    command = f'"{sys.executable}" -m ectojob_py enqueue default --dsn "{dsn}" {into}'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, says)


@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [("enqueue default -", "stdin is closed", "< FILE"), ("migrate --rollback", "nobody can answer", "--yes")],
)
@pytest.mark.usefixtures("db")
def test_stdin_that_is_closed(dsn: str, args: str, says: str, hint: str) -> None:
    command = f'"{sys.executable}" -m ectojob_py {args} --dsn "{dsn}" <&-'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()
    assert (done.returncode, len(said)) == (2, 2)
    assert says in said[0]
    assert hint in said[1]


def test_a_narrow_encoding_of_stdout_is_no_failure(start: Start, db: Db) -> None:
    narrow = {"PYTHONIOENCODING": "ascii"}
    try:
        said, error = start("queue", "create", "ü€😀", env=narrow).communicate(timeout=20)
        assert (said.splitlines()[1].split()[0], error) == (r"\u00fc\u20ac\ud83d\ude00", "")
        db.jobs.enqueue("ü€😀", {"to": "ü€😀"})
        said, error = start("jobs", "--json", "--params", env=narrow).communicate(timeout=20)
        assert error == ""
        [job] = json.loads(said)["jobs"]
        assert (job["queue"], job["params"]) == ("ü€😀", {"to": "ü€😀"})
        said, error = start("enqueue", "nö", env=narrow).communicate(timeout=20)
        assert error.startswith(r"error: unknown queue 'n\u00f6' [JQ002]")
    finally:
        db.jobs.drop_queue("ü€😀", force=True)


def test_what_the_connection_can_not_encode_is_not_called_bad_input(bare: Command, db: Db, dsn: str) -> None:
    if dsn.startswith("mysql:"):
        dsn += ("&" if "?" in dsn else "?") + "charset=latin1"
    else:
        dsn += " client_encoding=latin1"
    result = bare("enqueue", "default", "--notify", "5 → 6", "--dsn", dsn)
    error, hint = result.err.splitlines()
    assert (result.code, error.partition(" in ")[0]) == (2, "error: → can't be written")
    assert "UTF-8" in hint
    assert db.all_jobs() == []


def test_a_lost_connection(start: Start, ask: Ask, dsn: str) -> None:
    sessions = "select id from information_schema.processlist where user = 'root'"
    before = set(ask(sessions)) if dsn.startswith("mysql:") else set()
    process = start("enqueue", "default", "-")
    assert process.stdin
    process.stdin.write('{"n": 1}\n' * 5000)
    process.stdin.flush()
    while not has_begun(ask, dsn):
        assert process.poll() is None
    if dsn.startswith("mysql:"):
        while not (theirs := set(ask(sessions)) - before):  # another session may have written
            assert process.poll() is None
        for (id,) in theirs:
            ask(f"kill {id}")
    else:
        ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ectojob'")
    said, error = process.communicate('{"n": 1}\n' * 5000, timeout=20)
    assert (process.returncode, said) == (1, "")
    if dsn.startswith("mysql:"):
        assert re.match(r"error: (Lost connection|Connection was killed|.* gone away).* \[\d+\]$", error)
    else:
        assert error.startswith("error: terminating connection due to administrator command [57P01]")
        assert "where:" not in error
