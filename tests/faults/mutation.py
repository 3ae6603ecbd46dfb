"""Tries every mutant: ``python -m tests.faults.mutation [database ...]``; 0 when the tests they name kill them all.

One pytest session runs those tests, first without any fault, then each with its fault deployed on the servers that the
session has started. A test that fails without its fault, a text that is not there, and a mutant that lives are errors.
"""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from _pytest.runner import runtestprotocol
from psycopg.conninfo import make_conninfo

from ectojob_py.embedded import VERSIONS
from ectojob_py.mysql.connection import connect

from .mutants import MYSQL, POSTGRES, Mutant

ROOT = Path(__file__).parents[2]
FAULTS = {f"postgres-{max(VERSIONS)}": POSTGRES, "mariadb": MYSQL, "mysql": MYSQL}
STRICT = "set sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"


class Mutation:
    """A pytest plugin that runs tests as often as there are mutants for them."""

    def __init__(self, databases: list[str]) -> None:
        """Take the servers to try mutants on."""
        self.databases = databases
        self.servers: dict[str, Callable[[str], Any]] = {}
        self.passes_without = cache(self.passes)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """Learn where the servers are that the tests start."""
        result = yield
        self.servers[fixturedef.argname] = result
        return result

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running each test once."""
        items = {item.nodeid.removeprefix("tests/"): item for item in session.items}
        for db in self.databases:
            for mutant in FAULTS[db]:
                verdict = self.tried(db, mutant, items.get(mutant.test.format(db=db)))
                session.testsfailed += verdict != "killed"
                print(f"{verdict:<30} {db:<12} {mutant.name}", flush=True)
        return True

    def tried(self, db: str, mutant: Mutant, item: pytest.Item | None) -> str:
        """Return what became of a mutant, in a word if it is the right one."""
        whole = (ROOT / "sql" / db.partition("-")[0].replace("mariadb", "mysql") / mutant.file).read_text()
        if whole.count(mutant.text) != 1:
            return f"ITS TEXT IS THERE {whole.count(mutant.text)} TIMES"
        if item is None:
            return "THERE IS NO SUCH TEST"
        if not self.passes_without(item):
            return "ITS TEST FAILS WITHOUT IT"
        with self.deployed(db, whole.replace(mutant.text, mutant.instead), whole):
            return "LIVES" if self.passes(item) else "killed"

    def passes(self, item: Any) -> bool:
        """Run a test, and take down all it needed but what belongs to the session."""
        item._initrequest()  # forgets the fixtures of the last time
        session_only: Any = SimpleNamespace(listchain=lambda: [item.session])
        return all(report.passed for report in runtestprotocol(item, log=False, nextitem=session_only))

    @contextmanager
    def deployed(self, db: str, mutant: str, whole: str) -> Iterator[None]:
        """Have the mutant on a server's databases for a while."""
        replace = self._on_postgres if db.startswith("postgres") else self._on_mysql
        try:
            replace(db, mutant)
            yield
        finally:
            replace(db, whole)

    def _on_postgres(self, db: str, text: str) -> None:
        server = self.servers["postgres_at"](db)
        at = {"host": server.host, "port": str(server.port), "user": server.user}
        with psycopg.connect(make_conninfo("", **at, dbname="postgres")) as conn:
            names = conn.execute("select datname from pg_database where datallowconn").fetchall()
        for (name,) in names:
            with psycopg.connect(make_conninfo("", **at, dbname=name)) as conn:
                if conn.execute("select to_regclass('jobs.job') is not null").fetchall() == [(True,)]:
                    conn.execute("set search_path = jobs, pg_temp")
                    conn.execute(text.encode())

    def _on_mysql(self, db: str, text: str) -> None:
        *drop, create = text.split(" //\n")
        with closing(connect(self.servers["mysql_at"](db), database="jobs", init_command=STRICT)) as conn:
            for statement in [create] if db == "mariadb" else [*drop, create]:
                conn.cursor().execute(statement)


def main() -> int:
    """Try the mutants on the databases that are named; without a name, on all that the tests have."""
    sys.path.insert(0, str(ROOT / "tests"))
    from mysql.servers import MYSQL as FOUND  # noqa: PLC0415

    databases = sys.argv[1:] or [db for db in FAULTS if db.startswith("postgres") or db in FOUND]
    tests = sorted({f"tests/{mutant.test.format(db=db)}" for db in databases for mutant in FAULTS[db]})
    return pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *tests], plugins=[Mutation(databases)])


if __name__ == "__main__":
    sys.exit(main())
