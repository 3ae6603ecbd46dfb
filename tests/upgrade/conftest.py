"""The release before this one, as it was delivered, without its examples."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

HANDLER = """
def perform(conn, job):
    conn.execute("insert into done (id, release) values (%s, %s)", [job.id, "{release}"])
"""
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import the previous release from."""
    folder = tmp_path_factory.mktemp("previous")
    [wheel] = Path(__file__).parent.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def old(previous: Path, dsn: str, tmp_path: Path) -> Iterator[Run]:
    """Start a command of the previous release; what still runs in the end is killed."""
    (tmp_path / "shop.py").write_text(HANDLER.format(release="previous"))
    started: list[subprocess.Popen[str]] = []

    def start(*args: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(previous), "DATABASE_URL": dsn}
        command = [sys.executable, "-m", "ectojob_py", *args]
        started.append(
            subprocess.Popen(
                command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
