"""pgqueuer: asyncpg and uvloop, jobs taken and acknowledged in batches."""

import asyncio
import sys
from time import monotonic, perf_counter
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from benchmarks.drainers.progress import Progress

BATCH = 10_000


async def main(command: str, dsn: str, argument: str = "") -> None:
    """Run one of the commands of a peer."""
    words = dict(word.split("=") for word in dsn.split())
    progress = Progress()
    if command == "work":
        progress.begin()
    connection = await asyncpg.connect(
        host=words["host"], port=words["port"], user=words["user"], database=words["dbname"]
    )
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    started = perf_counter()
    match command:
        case "install":
            await queries.install()
        case "single":
            for _ in range(int(argument)):
                await queries.enqueue("bench", b'{"order": 42}')
            print(perf_counter() - started)
        case "bulk":
            for n in range(0, int(argument), BATCH):
                jobs = min(BATCH, int(argument) - n)
                await queries.enqueue(["bench"] * jobs, [b'{"order": 42}'] * jobs, [0] * jobs)
            print(perf_counter() - started)
        case "pings":
            for _ in range(int(argument)):
                await asyncio.sleep(0.05)
                print(monotonic())
                await queries.enqueue("bench", b'{"order": 42}')
        case "work":
            queue = PgQueuer(driver)

            @queue.entrypoint("bench")
            async def bench(_job: Any) -> None:
                progress.done += 1
                if argument == "each":
                    progress.tell()

            await queue.run(batch_size=1000)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
