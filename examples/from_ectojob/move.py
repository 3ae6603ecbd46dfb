"""A shop moves from EctoJob to ectojob in three steps, while orders come in, and no mail is lost or sent twice.

    python examples/from_ectojob/move.py postgresql://localhost/shop

It makes its tables in schema public of that database, which must have none of their names, and drops them in the end;
ectojob must be installed (``ectojob migrate``). The Elixir side is played by elixir.py, statement for statement.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
from elixir import ElixirWorkers, Orders, Stoppable

from ectojob_py import Job, Jobs, Worker

QUEUE = "emails"


def send_mail(conn: psycopg.Connection[Any], job: Job) -> None:
    """Do in Python what ``perform/2`` did in Elixir; the job's deletion commits with it."""
    conn.execute("insert into mails (order_id, sent_by) values (%s, 'python')", [job.params["order"]])


class NewOrders(Orders):
    """The same orders, enqueued by ectojob's own function: what step 3 deploys."""

    def enqueue(self, conn: psycopg.Connection[Any], order: int) -> None:
        """Enqueue in the order's transaction, as before."""
        Jobs(conn).enqueue(QUEUE, {"order": order})


class PythonWorker(Stoppable):
    """``ectojob work`` for the queue, in a thread."""

    def work(self, conn: psycopg.Connection[Any]) -> None:
        """Run the queue's jobs."""
        worker = Worker(self.dsn, queue=QUEUE, perform=send_mail, max_demand=10, log=False)
        threading.Thread(target=lambda: self.stopping.wait() and worker.stop()).start()
        worker.run()


def main(dsn: str) -> None:
    """Live through the move, saying what happens."""
    with psycopg.connect(dsn, autocommit=True) as dba:
        dba.execute((Path(__file__).parent / "ectojob_table.sql").read_bytes())

        def sent(by: str) -> int:
            [(count,)] = dba.execute("select count(*) from mails where sent_by = %s", [by]).fetchall()
            return int(count)

        def more(by: str, mails: int = 40) -> None:
            enough = sent(by) + mails
            wait_until(lambda: sent(by) >= enough)

        with ExitStack() as python:
            with ExitStack() as elixir:
                elixir.enter_context(Orders(dsn))
                with ElixirWorkers(dsn):
                    more("elixir")
                    print(f"before: EctoJob sends mails, {sent('elixir')} so far")

                    [(plan,)] = dba.execute("select jobs.adopt(%s, 'public.jobs')", [QUEUE]).fetchall()
                    print(f"step 1: its table is adopted, with {plan['states']} at that moment")
                    more("elixir")
                    print(f"        EctoJob goes on, unchanged and not restarted: {sent('elixir')} mails")

                    python.enter_context(PythonWorker(dsn))
                    more("python")
                    more("elixir", 1)
                    print(f"step 2: a Python worker helps: {sent('elixir')} by Elixir, {sent('python')} by Python")

                more("python")
                print("        Elixir's workers are gone; its web nodes still enqueue, through the view")
                with NewOrders(dsn):
                    more("python")
                    elixir.close()
                    more("python")
                    print("step 3: everybody enqueues with jobs.enqueue; the view and the old table go")
                    dba.execute("select jobs.drop_ectojob_view(%s)", [QUEUE])
                    dba.execute("drop table jobs_adopted; drop function fn_notify_inserted()")
                    more("python")
            wait_until(lambda: dba.execute("select from jobs.job where queue = %s", [QUEUE]).fetchall() == [])
        audit(dba)
        dba.execute("drop table orders, mails")


def audit(dba: psycopg.Connection[Any]) -> None:
    """Every order has one mail, or the exit code says no."""
    [(orders, mails, mailed)] = dba.execute(
        "select (select count(*) from orders), count(*), count(distinct order_id) from mails"
    ).fetchall()
    print(f"audit:  {orders} orders, {mails} mails to {mailed} of them")
    if not orders == mails == mailed:
        sys.exit("a mail was lost or sent twice")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait, for a minute at most."""
    for _ in range(6000):
        if condition():
            return
        sleep(0.01)
    sys.exit("it came to a stop")


if __name__ == "__main__":
    main(sys.argv[1]) if sys.argv[1:] else sys.exit(__doc__)
