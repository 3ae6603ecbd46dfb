"""W2: bulk enqueue, beside COPY into an equal table."""

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter

from benchmarks.lab import QUEUE, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size
from ectojob_py import Jobs

COPY = "COPY into an equal table"
CHUNK = 10_000
_COLUMNS = "(queue, state, priority, schedule, max_attempts, params, inserted_at, updated_at) from stdin"


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare Python's ``enqueue_many``, the function itself, and COPY past it."""
    jobs = size.bulk
    yield Group(
        "w2",
        f"bulk enqueue of {jobs:,}",
        [
            Contestant(COPY, partial(_run, lab, jobs, partial(_copy, lab, "bare.job")), "rows rendered beforehand"),
            Contestant(
                "COPY into jobs.job", partial(_run, lab, jobs, partial(_copy, lab, "jobs.job")), "the same", COPY
            ),
            Contestant(
                "Jobs.enqueue_many", partial(_run, lab, jobs, partial(_python, lab)), f"dicts, {CHUNK:,} a call", COPY
            ),
            Contestant(
                "jobs.enqueue_many",
                partial(_run, lab, jobs, partial(_sql, lab)),
                f"by SQL, {CHUNK:,} a call",
                COPY,
            ),
        ],
    )


def _run(lab: Lab, jobs: int, put: Callable[[int], None]) -> Sample:
    lab.clear()
    before = lab.counters.read()
    started = perf_counter()
    put(jobs)
    seconds = perf_counter() - started
    spent = lab.counters.read().since(before)
    return Sample(jobs / seconds, {"server CPU": spent.server_cpu * 1000 / jobs, "WAL": spent.wal_bytes / jobs})


def _copy(lab: Lab, table: str, jobs: int) -> None:
    now = "2026-01-01 00:00:00+00"
    row = f'{QUEUE}\tAVAILABLE\t0\t{now}\t5\t{{"order": 42}}\t{now}\t{now}\n'.encode()
    block = row * 1000
    with lab.conn.cursor() as cursor, cursor.copy(f"copy {table} {_COLUMNS}") as copy:
        for _ in range(jobs // 1000):
            copy.write(block)


def _python(lab: Lab, jobs: int) -> None:
    with lab.conn.transaction():
        for _ in range(jobs // CHUNK):
            Jobs(lab.conn).enqueue_many(QUEUE, [{"order": 42}] * CHUNK)


def _sql(lab: Lab, jobs: int) -> None:
    many = """
    select count(*) from jobs.enqueue_many(%s, array(select '{"order": 42}'::jsonb from generate_series(1, %s)))
    """
    with lab.conn.transaction():
        for _ in range(jobs // CHUNK):
            lab.conn.execute(many, [QUEUE, CHUNK])
