"""The wheel: what is in it, and that it deploys from where it is installed, far from any checkout."""

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from venv import EnvBuilder
from zipfile import ZipFile

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor

from ectojob_py.client import Jobs

ROOT = Path(__file__).resolve().parents[2]
BROUGHT = ("sql", "migrations", "examples")
FROM_A_CHECKOUT = "from_ectojob"
"""The example that is none for an installation."""

DEMO = """
import sys
from pathlib import Path
from ectojob_py import demo
shop = demo._Shop(sys.argv[1], Path.cwd(), "psql")
shop._open()
shop.close()
sys.path.insert(0, str(demo.SHOP))
import shop
print(shop.perform.__module__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command; return what it said on stdout."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout; without a network when the build's backend is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-isolation"] if find_spec("hatchling") else []
    run(sys.executable, "-m", "build", "--wheel", *offline, "--outdir", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment with the wheel in it; its dependencies are borrowed from this one."""
    home = tmp_path_factory.mktemp("installed")
    EnvBuilder(symlinks=True).create(home)
    run(sys.executable, "-m", "pip", "--python", home / "bin/python", "install", "--no-deps", wheel, cwd=home)
    [site] = home.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


@pytest.fixture
def empty(postgres_server: NoopExecutor) -> Iterator[str]:
    """A database of its own on one of the servers, without ectojob."""
    server = postgres_server
    dsn = make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="postgres")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create database wheel")
        yield make_conninfo(dsn, dbname="wheel")
        conn.execute("drop database wheel with (force)")


def test_everything_that_is_deployed_or_shown_is_in_it(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist() if "dist-info" not in name}
    expected = {
        f"ectojob_py/{path.relative_to(ROOT)}": path.read_bytes()
        for folder in BROUGHT
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and {"__pycache__", FROM_A_CHECKOUT}.isdisjoint(path.parts)
    }
    folders = tuple(f"ectojob_py/{folder}/" for folder in BROUGHT)
    assert {name: content for name, content in inside.items() if name.startswith(folders)} == expected
    for name in ("sql/postgres/install.sql", "migrations/postgres/post-apply.py", "py.typed", "cli/__init__.py"):
        assert f"ectojob_py/{name}" in inside
    migrations = {name for name in expected if name.endswith(".sql") and "/migrations/" in name}
    forward = {name for name in migrations if not name.endswith(".rollback.sql")}
    assert migrations - forward == {name.replace(".sql", ".rollback.sql") for name in forward}
    assert not [name for name in inside if name.startswith("tests/") or "__pycache__" in name]


@pytest.mark.parametrize("postgres_server", ["postgres-18"], indirect=True)
def test_it_deploys_without_the_checkout(installed: Path, empty: str, tmp_path: Path, wheel: Path) -> None:
    where = run(installed / "python", "-c", "import ectojob_py; print(ectojob_py.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)

    said = run(installed / "ectojob", "migrate", "--dsn", empty, cwd=tmp_path)
    with psycopg.connect(empty, autocommit=True) as conn:
        version = Jobs(conn).version()
        assert missing(conn) == set()
    assert said.splitlines()[-1] == f"ectojob {version} is installed in schema jobs"
    assert run(installed / "ectojob", "--version", cwd=tmp_path).strip() == version
    assert wheel.name.startswith(f"ectojob-{version}-")

    assert run(installed / "python", "-m", "ectojob_py", "enqueue", "default", "--dsn", empty, cwd=tmp_path) == "1\n"
    assert run(installed / "python", "-c", DEMO, empty, cwd=tmp_path).splitlines()[-1] == "shop"
    with psycopg.connect(empty, autocommit=True) as conn:
        [(sales,)] = conn.execute("select count(*) from demo_shop.till").fetchall()
    assert sales == len((ROOT / "examples/orders.csv").read_text().splitlines()) - 1

    undone = run(installed / "ectojob", "migrate", "--rollback", "--yes", "--dsn", empty, cwd=tmp_path)
    assert undone.startswith("rolled back ")


def missing(conn: psycopg.Connection[Any]) -> set[str]:
    """Return the transitions of the checkout that the database doesn't have."""
    rows = conn.execute("select proname from pg_proc where pronamespace = 'jobs'::regnamespace").fetchall()
    return {path.stem for path in (ROOT / "sql/postgres/transitions").glob("*.sql")} - {name for (name,) in rows}
