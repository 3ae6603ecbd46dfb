"""procrastinate: its async worker, several jobs at once, jobs deleted when they succeed."""

import asyncio
import signal
import sys
from time import monotonic, perf_counter

from procrastinate import App, PsycopgConnector

from benchmarks.drainers.progress import Progress

BATCH = 10_000


async def main(command: str, dsn: str, argument: str = "") -> None:
    """Run one of the commands of a peer."""
    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=1, max_size=22))
    progress = Progress()

    @app.task(name="bench", queue="bench")
    async def bench(order: int) -> None:
        progress.done += 1
        if argument == "each":
            progress.tell()

    if command == "work":
        progress.begin()
    async with app.open_async():
        started = perf_counter()
        match command:
            case "install":
                await app.schema_manager.apply_schema_async()
            case "single":
                for _ in range(int(argument)):
                    await bench.defer_async(order=42)
                print(perf_counter() - started)
            case "bulk":
                for n in range(0, int(argument), BATCH):
                    await bench.batch_defer_async(*[{"order": 42}] * min(BATCH, int(argument) - n))
                print(perf_counter() - started)
            case "pings":
                for _ in range(int(argument)):
                    await asyncio.sleep(0.05)
                    print(monotonic())
                    await bench.defer_async(order=42)
            case "work":
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                await app.run_worker_async(
                    queues=["bench"], concurrency=20, delete_jobs="successful", install_signal_handlers=False
                )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
