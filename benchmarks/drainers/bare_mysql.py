"""The least that a worker in Python can do on MariaDB: bare SQL over PyMySQL on each of some threads.

Claim 100 by one UPDATE, read them, then per job write its receipt, delete it, and commit.
"""

import sys
import threading
from contextlib import closing

import pymysql

from benchmarks.drainers.progress import Progress
from benchmarks.lab import LIMITS, RECEIPT
from ectojob_py.mysql.connection import connect

CLAIM = (LIMITS / "claim.mysql.sql").read_text()
CLAIMED = "select id, attempt, params from bare.job where token = %s order by priority, schedule, id"
DELETE = "delete from bare.job where queue = 'bench' and id = %s and attempt = %s"


def drain(conn: "pymysql.Connection[pymysql.cursors.Cursor]", progress: Progress, name: int) -> None:
    """One transaction per job."""
    token = name * 1_000_000
    with closing(conn), conn.cursor() as cursor:
        while cursor.execute(CLAIM, [token]):
            cursor.execute(CLAIMED, [token])
            conn.commit()
            for id, attempt, _ in cursor.fetchall():
                cursor.execute(RECEIPT, [id, attempt])
                cursor.execute(DELETE, [id, attempt])
                conn.commit()
                progress.done += 1
            token += 1


def main(dsn: str, hands: int) -> None:
    """Drain the bare table on so many connections."""
    progress = Progress()
    progress.begin()
    options = {"autocommit": False, "init_command": "set session transaction isolation level read committed"}
    conns = [connect(dsn, **options) for _ in range(hands)]
    threads = [threading.Thread(target=drain, args=(conn, progress, n + 1)) for n, conn in enumerate(conns)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.tell()
    sys.stdin.read()  # the coordinator ends this process


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
