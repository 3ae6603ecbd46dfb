"""The demo: a small shop whose receipts are sent by jobs, a worker that is killed, and an audit that adds up."""

import csv
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import cast

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ectojob_py import demo_staff
from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.engine import kind_of, room_of
from ectojob_py.errors import SetupError
from ectojob_py.migrate import ROOT, migrate
from ectojob_py.session import Session

QUEUE = "demo_receipts"
SHOP = ROOT / "examples"
PATIENCE = 120.0
"""Seconds after which the demo gives up waiting; on an ordinary machine it is over in 20."""

_MUST_BE_ZERO = (
    "lost", "sent_twice", "sent_without_order", "sent_and_not_completed", "still_waiting", "till_and_orders_differ",
)  # fmt: skip


def main(dsn: str | None = None, psql: bool = False) -> int:
    """Run the demo on a server of its own, or on ``dsn``; return 0 when the audit holds, 1 when it doesn't.

    ``psql``: open psql on what the last run left behind instead.
    """
    folder = Path(tempfile.gettempdir()) / f"ectojob-demo-{os.geteuid()}"
    if folder.exists() and folder.lstat().st_uid not in (os.geteuid(), EmbeddedServer.owner()):
        raise SetupError(f"{folder} belongs to someone else", "Set TMPDIR to a folder of your own.")
    if psql:
        return _psql(folder, dsn)
    if dsn is not None:
        with closing(_Shop(dsn, folder, "psql")) as shop:
            return shop.run()
    with _server(folder) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:  # every run begins afresh
            conn.execute("drop database if exists demo with (force)")
            conn.execute("create database demo")
        with closing(_Shop(server.dsn("demo"), folder, "make psql (or: ectojob demo --psql)")) as shop:
            return shop.run()


@contextmanager
def _server(folder: Path) -> Iterator[EmbeddedServer]:
    """Run the demo's server; its data stays in the folder."""
    server = EmbeddedServer(folder, binaries(max(VERSIONS)))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _psql(folder: Path, dsn: str | None) -> int:
    if dsn is not None:
        if kind_of(dsn) == "mysql":
            raise SetupError("--psql is for PostgreSQL", "Look around with mariadb or mysql: select * from jobs.failed")
        return subprocess.run(["psql", dsn], check=False).returncode
    if not (folder / "data").exists():
        raise SetupError("there is no demo database yet", "Run the demo first: make demo, or ectojob demo.")
    with _server(folder) as server:
        return subprocess.run([server.program("psql"), server.dsn("demo")], check=False).returncode


def _sales() -> list[list[str]]:
    with (SHOP / "orders.csv").open(newline="") as file:
        return list(csv.reader(file))[1:]


class _Shop:
    """One run of the shop. All it shows at the end is computed by the database."""

    def __init__(self, dsn: str, folder: Path, psql: str) -> None:
        self._psql = psql
        self._dsn = self._till = self._worker = dsn
        self._staff = ExitStack()
        self._on_mysql = kind_of(dsn) == "mysql"
        self._log = folder / "worker.log"
        folder.mkdir(exist_ok=True)
        self._log.unlink(missing_ok=True)
        self._console = Console()
        self._session = self._connect(dsn)

    def run(self) -> int:
        self._say("[bold]1.[/] Installing ectojob, and opening a small shop")
        self._open()
        self._say("[bold]2.[/] Placing its orders, one transaction each with the job for the receipt; workers run")
        self._trade()
        self._say("[bold]3.[/] What is left in the queue: the views, as psql shows them")
        self._show("select * from jobs.queue_depth")
        self._show("select id, attempt, max_attempts, failed_at, last_error from jobs.failed limit 3")
        return self._audit()

    def close(self) -> None:
        self._staff.close()
        self._session.close()

    def _open(self) -> None:
        with_roles = not self._on_mysql and demo_staff.install(self._dsn)
        if not with_roles:
            migrate(self._dsn)
        jobs = self._session.jobs
        jobs.create_queue(QUEUE)
        jobs.drop_queue(QUEUE, force=True)  # what an earlier run left on this database
        jobs.create_queue(QUEUE, 3, execution_timeout=timedelta(seconds=3), retry_timeout=timedelta(seconds=0.5))
        self._session.run((SHOP / ("shop.mysql.sql" if self._on_mysql else "shop.sql")).read_text())
        self._session.run("insert into demo_shop.till values (%s, %s, %s, %s, %s, %s, %s)", _sales())
        self._hire(with_roles)

    def _hire(self, with_roles: bool) -> None:
        """Let the till and the workers log in as members of their roles, if possible."""
        why = "without roles here"
        if with_roles:
            try:
                self._till, self._worker = self._staff.enter_context(demo_staff.hired(self._dsn))
            except psycopg.Error as error:
                why = str(error).strip().partition("\n")[0]
            else:
                self._say("   The till logs in as a member of jobs_producer, the workers of jobs_worker")
                return
        self._say(f"   Everybody logs in as the owner: {why}")

    def _trade(self) -> None:
        orders = self._count("select count(*) from demo_shop.till where card = 'accepted'")
        columns = (TextColumn("   {task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        placing = Thread(target=self._place_orders, daemon=True)
        worker = self._start_worker()
        killed = False
        deadline = monotonic() + PATIENCE
        try:
            with Progress(*columns, console=self._console) as progress:
                placed = progress.add_task("orders placed", total=orders)
                ended = progress.add_task("receipts or FAILED", total=orders)
                placing.start()
                while placing.is_alive() or self._waiting():
                    progress.update(placed, completed=self._count("select count(*) from demo_shop.orders"))
                    sent = self._count("select count(*) from demo_shop.receipts")
                    failed = self._count("select failed from jobs.queue_depth where queue = %(queue)s", queue=QUEUE)
                    progress.update(ended, completed=sent + failed)
                    if not killed and sent > orders / 4:
                        worker.kill()
                        worker.wait()
                        killed = True
                        held = self._count("select count(*) from jobs.running where queue = %(queue)s", queue=QUEUE)
                        progress.print(
                            f"   kill -9 of worker {worker.pid} in the middle of {held} jobs; another starts"
                        )
                        worker = self._start_worker()
                    if monotonic() > deadline or worker.poll() is not None:
                        msg = "the worker ended by itself" if worker.poll() is not None else "the queue is stuck"
                        raise SetupError(msg, f"Look into {self._log}.")
                    sleep(0.1)
                progress.update(placed, completed=self._count("select count(*) from demo_shop.orders"))
                progress.update(ended, completed=orders)
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=30)
        finally:
            worker.kill()
            worker.wait()
        again = self._count("select count(*) from demo_shop.receipts where attempt > 1")
        self._say(f"   {again} receipts took more than one attempt: a refused mail, or the killed worker's jobs")

    def _audit(self) -> int:
        [audit] = self._session.rows("select * from demo_shop.audit")
        self._say("\n[bold]4.[/] The audit: select * from demo_shop.audit")
        table = Table("what", "count", "must be")
        total = audit["sent_once"] + audit["failed"]
        for name, count in audit.items():
            rule = "0" if name in _MUST_BE_ZERO else f"sent_once + failed = {total}" if name == "orders" else ""
            table.add_row(name, str(count), rule)
        self._console.print(table)
        holds = audit["orders"] == total > 0 and not any(audit[name] for name in _MUST_BE_ZERO)
        if holds:
            self._say(
                f"[bold green]The audit holds:[/] {audit['orders']} orders committed = {audit['sent_once']} receipts "
                f"written exactly once + {audit['failed']} FAILED; none lost, none twice."
            )
            if not self._on_mysql:
                self._say(f"Look around: [bold]{self._psql}[/], then \\dv+ jobs.*  or  \\df+ jobs.*")
        else:
            self._say("[bold red]The audit does not hold.[/]")
        return 0 if holds else 1

    def _connect(self, dsn: str) -> Session:
        return cast(Session, room_of(dsn, "session").Session(dsn, "jobs"))

    def _place_orders(self) -> None:
        with closing(self._connect(self._till)) as session:
            session.run("call demo_shop.place_orders()")

    def _start_worker(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "ectojob_py", "work", "shop:perform", "--queue", QUEUE, "--max-demand", "10"]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=SHOP, stderr=log, env={**os.environ, "DATABASE_URL": self._worker})

    def _waiting(self) -> int:
        return self._count("select still_waiting from demo_shop.audit")

    def _count(self, query: str, **values: object) -> int:
        [row] = self._session.rows(query, **values)
        return int(next(iter(row.values())))

    def _show(self, query: str) -> None:
        """Print a query and its rows as psql does."""
        found = self._session.rows(query)
        names = list(found[0]) if found else []
        rows = [["" if value is None else str(value) for value in row.values()] for row in found]
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        self._say(f"\n{query};")
        for line in (names, ["-" * width for width in widths], *rows):
            self._say("   " + " | ".join(map(str.ljust, line, widths)).rstrip())

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
