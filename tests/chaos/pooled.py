"""A worker made of bare SQL calls, through pgbouncer in transaction mode. ``python -m chaos.pooled``.

The functions need no session. The client's worker does: it listens. So this is how jobs run where there is nothing but
a pooler: claim in one transaction, then effect and completion in another; poll when there is nothing.
"""

import json
import os
import time
from typing import Any

import psycopg

from chaos.worker import LEASE, SWEEP, Orders


def main() -> None:
    orders = Orders(**json.loads(os.environ["CHAOS_WORKER"]))
    notes = os.open(orders.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        try:
            with psycopg.connect(orders.dsn, autocommit=True, prepare_threshold=None) as conn:
                while True:
                    work(conn, notes)
        except psycopg.Error:
            time.sleep(0.1)


def work(conn: psycopg.Connection[Any], notes: int) -> None:
    conn.execute("select jobs.activate_scheduled('chaos'), jobs.reactivate_expired('chaos')")
    claim = "select id, attempt, params -> 'key' from jobs.claim_batch('chaos', 5, make_interval(secs => %s))"
    claimed = conn.execute(claim, [LEASE]).fetchall()
    for id, attempt, key in claimed:
        os.write(notes, f"{id} began\n".encode())
        try:
            with conn.transaction():
                conn.execute("insert into chaos.effect values (%s, %s, %s)", [id, attempt, key])
                conn.execute("select jobs.complete('chaos', %s, %s)", [id, attempt])
        except psycopg.DatabaseError as error:
            if conn.closed:
                raise
            conn.execute("select from jobs.fail('chaos', %s, %s, %s, '0.05 s')", [id, attempt, str(error)])
    if not claimed:
        time.sleep(SWEEP / 4)


if __name__ == "__main__":
    main()
