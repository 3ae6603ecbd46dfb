"""The audit at the end of a run, and what is said about it."""

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from chaos.cluster import HERE, until
from chaos.worker import SWEEP

ENDS = {0, 3, -signal.SIGKILL, -signal.SIGTERM}
"""How workers may end: with nothing left, with jobs that outlived the grace period, killed, or before they began."""
ALLOWED = SWEEP + 2
"""Seconds for which a job may wait for a sweep, or for a hand."""

Conn = psycopg.Connection[Any]
Broken = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Seen:
    """What the harness saw, and the database can't know.

    ``faults``: how often which one struck. ``exits``: how often workers ended with which code. ``idle``: seconds for
    which no job of a queue ran, though some could. ``descriptors``: how many open files a worker had at the end, at
    most. ``seconds``: until all jobs had ended.
    """

    faults: Counter[str]
    exits: Counter[int]
    idle: float
    descriptors: int
    seconds: float


def judge(conn: Conn, folder: Path, seen: Seen, patience: float = 10.0) -> Broken:
    """Load the journals in the folder, and return the rows of each invariant's view: all empty when all is well.

    ``patience``: seconds for the last sessions to go.
    """
    conn.execute("set maintenance_work_mem = '256MB'")
    conn.execute("set work_mem = '256MB'")
    with conn.cursor().copy("copy chaos.journal from stdin") as copy:
        for keys, mark in marks(folder):
            if mark != "intended":
                copy.write("".join(f"{key}\t{mark}\n" for key in keys))
    conn.execute((HERE / "audit.sql").read_bytes())
    with suppress(TimeoutError):  # then the view says who is still there
        until(lambda: not conn.execute("select * from chaos.i10_left_behind").fetchall(), patience)
    names = conn.execute("select viewname from pg_views where viewname ~ '^i[0-9]+_' order by 1").fetchall()
    views = {name: conn.execute(f"select * from chaos.{name} limit 5".encode()).fetchall() for (name,) in names}
    return {
        "exit codes": [end for end in seen.exits.items() if end[0] not in ENDS],
        "i4_idle_hands": [(seen.idle,)] if seen.idle > ALLOWED else [],
        **views,
    }


def tell(conn: Conn, folder: Path, seen: Seen, say: Callable[[str], None]) -> None:
    """Say what happened, the repeated executions above all. Comes after ``judge``."""
    unknown = sum(len(keys) if mark == "intended" else -len(keys) for keys, mark in marks(folder))
    began: Counter[int] = Counter()
    errors: Counter[str] = Counter()
    for job, what in notes(folder):
        if what == "began":
            began[job] += 1
        else:
            errors[what] += 1
    [sums] = conn.cursor(row_factory=dict_row).execute("select * from chaos.sums").fetchall()
    for word, text in {
        "faults": counted(seen.faults.items()),
        "jobs": "{committed} known as committed, {refused} as refused; {born} were born".format(**sums)
        + f", {unknown} keys had an unknown outcome",
        "ended": "{done} with their effect, {failed} FAILED".format(**sums) + f", in {seen.seconds:.0f} s",
        "executions": f"{began.total()}, of which {began.total() - len(began)} repeated one of the same job",
        "errors": counted(errors.items()),
        "leases": "{swept} ended and were swept, {late:.1f} s late at most".format(**sums)
        + f"; no job of a queue ran and some could for {seen.idle:.1f} s at most",
        "steps": counted(conn.execute("select * from chaos.edges").fetchall()),
        "workers": f"exit codes {counted(seen.exits.items())}; {seen.descriptors} descriptors at most",
    }.items():
        say(f"{word:<12}{text}")


def marks(folder: Path) -> Iterator[tuple[range, str]]:
    """Yield the keys of each call of a producer, and what it wrote of them."""
    for journal in folder.glob("journal-*"):
        with journal.open() as lines:
            for line in lines:
                first, size, mark = line.split()
                yield range(int(first), int(first) + int(size)), mark


def notes(folder: Path) -> Iterator[tuple[int, str]]:
    """Yield the id of each job whose handler began, or had an error, and which."""
    for file in folder.glob("notes-*.txt"):
        with file.open() as lines:
            for line in lines:
                job, _, what = line.rstrip("\n").partition(" ")
                yield int(job), what


def counted(counts: Iterable[tuple[Any, int]]) -> str:
    """Return, say, ``3 x kill, 2 x crash``."""
    return ", ".join(f"{number} x {what}" for what, number in counts)
