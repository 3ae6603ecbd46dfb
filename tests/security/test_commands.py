"""What each role may do on the command line: every command by each of them, on every database."""

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from contract.harness import Db

from ectojob_py.cli import main
from ectojob_py.engine import kind_of

from .places import ADMIN, OWNER, PRODUCER, READER, ROLES, STRANGER, WORKER, Place

ID = "ID"
"""Stands for the id of a FAILED job."""


@dataclass(frozen=True)
class Command:
    """What is typed, whom it is for beside the owner, what it says then, and what it reads."""

    typed: str
    roles: tuple[str, ...]
    says: str = ""
    stdin: str = field(default="", repr=False)


COMMANDS = [
    Command("queues", (READER, ADMIN), "default"),
    Command("queues --settings", (READER, ADMIN), "5m"),
    Command("queues --json", (READER, ADMIN), '"execution_timeout": 300'),
    Command("jobs", (READER, ADMIN), "FAILED"),
    Command("jobs --queue default --state FAILED --json", (READER, ADMIN), '"last_error"'),
    Command("jobs --failed", (READER, ADMIN), "last error"),
    Command("jobs --params", (), "canary"),
    Command(f"requeue default {ID}", (ADMIN,), "requeued 1"),
    Command("requeue default --all-failed", (ADMIN,), "requeued 1"),
    Command(f"remove default {ID}", (ADMIN,), "removed 1"),
    Command("queue create mine --max-attempts 7", (ADMIN,), "mine"),
    Command("queue pause default", (ADMIN,), "paused default"),
    Command("queue resume default", (ADMIN,), "resumed default"),
    Command("queue drop default --force", (ADMIN,), "dropped default"),
    Command("enqueue default {}", (PRODUCER,)),
    Command("enqueue default {} --schedule +1h", (PRODUCER,)),
    Command("enqueue default -", (PRODUCER,), stdin="{}\n{}\n"),
    Command(f"work {__name__}:perform --queue default --no-log", (WORKER,)),
]


def perform(_conn: Any, _job: Any) -> None:
    """Handle the one job there is to do, and let the worker stop."""
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.typed)
@pytest.mark.parametrize("role", [*ROLES, STRANGER])
def test_a_command_is_for_its_roles_and_tells_others_so(
    place: Place,
    db: Db,
    role: str,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = db.a_job("FAILED", params={"secret": "canary"})
    db.jobs.enqueue("default", priority=1)
    before = db.snapshot()
    (tmp_path / "stdin").write_text(command.stdin)
    with (tmp_path / "stdin").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setenv("DATABASE_URL", place.dsn_of(role))
        code = main(command.typed.replace(ID, str(failed["id"])).split())
    said = capsys.readouterr()
    if role in (OWNER, *command.roles):
        assert (code, said.err) == (0, "")
        assert command.says in said.out
    else:
        assert (code, said.out) == (1, "")
        error, hint = said.err.splitlines()
        assert ("permission denied" if kind_of(place.dsn) == "postgres" else "command denied") in error
        names = " or ".join(f"jobs_{name}" for name in command.roles)
        assert hint.startswith(f"hint: This takes role {names}," if names else "hint: This is for the owner")
        assert db.snapshot() == before
