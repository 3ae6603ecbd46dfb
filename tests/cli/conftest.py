"""Running ``ectojob`` as a person does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ectojob_py.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Command = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in this process, with no database in the environment."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("ECTOJOB_DEBUG", raising=False)

    def run(*args: str, stdin: str | bytes = "") -> Result:
        file = tmp_path / "stdin"
        file.write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        with file.open() as opened, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", opened)
            code = main(args)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return run


@pytest.fixture
def ectojob(bare: Command, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process, against this test's database."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    return bare


@pytest.fixture
def start(dsn: str, tmp_path: Path) -> Iterator[Start]:
    """Start a command as a process of its own, in an empty folder; whatever still runs is killed in the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "DATABASE_URL": dsn, "PYTHONUNBUFFERED": "1", **options.pop("env", {})}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-m", "ectojob_py", *args]
        started.append(subprocess.Popen(command, text=True, cwd=tmp_path, env=environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate()
