"""The least that a worker in Python can do: a loop of bare SQL over psycopg on each of some threads.

``one``: claim 100 by one UPDATE, then one DELETE per job, each committed. ``write``: as ``one``, with a row inserted in
each job's transaction. ``hundred``: claim 100, delete them by one statement. ``delete``: ``delete ... skip locked`` of
100. ``listen``: hear notifications, and no more. ``answer``: notify on hearing one. ``claim``: claim on hearing one.
Jobs are read as the driver returns them; nothing is done.
"""

import sys
import threading
from time import sleep

import psycopg

from benchmarks.drainers.progress import Progress
from benchmarks.lab import LIMITS, RECEIPT

CLAIM = (LIMITS / "claim.sql").read_text()
DELETE_LOCKED = (LIMITS / "delete_locked.sql").read_text()
ONE = "delete from bare.job where queue = 'bench' and id = %s and attempt = %s"
HUNDRED = "delete from bare.job where queue = 'bench' and id = any(%s)"

Connection = psycopg.Connection[tuple[int, int, object]]


def one(conn: Connection, progress: Progress) -> None:
    """One transaction per job."""
    while jobs := conn.execute(CLAIM).fetchall():
        for id, attempt, _ in jobs:
            conn.execute(ONE, [id, attempt])
            progress.done += 1


def write(conn: Connection, progress: Progress) -> None:
    """One transaction per job, which writes a row."""
    while jobs := conn.execute(CLAIM).fetchall():
        for id, attempt, _ in jobs:
            with conn.transaction():
                conn.execute(RECEIPT, [id, attempt])
                conn.execute(ONE, [id, attempt])
            progress.done += 1


def for_ever(conn: Connection, progress: Progress) -> None:
    """One transaction per job, and look again after a millisecond when there is none."""
    while True:
        one(conn, progress)
        sleep(0.001)


def hundred(conn: Connection, progress: Progress) -> None:
    """Acknowledge by 100."""
    while jobs := conn.execute(CLAIM).fetchall():
        conn.execute(HUNDRED, [[job[0] for job in jobs]])
        progress.done += len(jobs)


def delete(conn: Connection, progress: Progress) -> None:
    """Take and forget, at once."""
    while jobs := conn.execute(DELETE_LOCKED).fetchall():
        progress.done += len(jobs)


def listen(conn: Connection, progress: Progress) -> None:
    """Nothing but hear notifications."""
    conn.execute('listen "bare.bench"')
    while True:
        progress.done += len(list(conn.notifies(stop_after=1)))
        progress.tell()


def answer(conn: Connection, _progress: Progress) -> None:
    """Notify on hearing a notification."""
    conn.execute('listen "bare.bench"')
    while list(conn.notifies(stop_after=1)):
        conn.execute("select pg_notify('bare.answer', '')")


def claim(conn: Connection, progress: Progress) -> None:
    """Claim on hearing one."""
    conn.execute('listen "bare.bench"')
    while list(conn.notifies(stop_after=1)):
        progress.done += len(conn.execute(CLAIM.replace("bare.job", "bare.notified")).fetchall())
        progress.tell()


MODES = {mode.__name__: mode for mode in (one, write, for_ever, hundred, delete, listen, answer, claim)}


def main(dsn: str, mode: str, hands: int) -> None:
    """Drain the bare table on so many connections."""
    progress = Progress()
    progress.begin()
    conns = [psycopg.connect(dsn, autocommit=True, prepare_threshold=0) for _ in range(hands)]
    threads = [threading.Thread(target=MODES[mode], args=(conn, progress)) for conn in conns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.tell()
    sys.stdin.read()  # the coordinator ends this process


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
