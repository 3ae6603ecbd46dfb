"""``python -m benchmarks``: run, print the table, write the results."""

import json
import signal
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import HERE
from benchmarks.lab import lab
from benchmarks.measure import Row, measure
from benchmarks.picture import draw
from benchmarks.report import markdown, show
from benchmarks.size import FULL, QUICK

WORKLOADS = {
    "w1": "w1_enqueue",
    "w2": "w2_bulk",
    "w3": "w3_drain",
    "w4": "w4_processes",
    "w5": "w5_pickup",
    "w6": "w6_backlog",
    "w7": "w7_held_snapshot",
    "idle": "idle",
    "wakeups": "wakeups",
    "mariadb": "mariadb",
    "peers": "peers",
}


def main(
    full: Annotated[
        bool, typer.Option(help="The sizes that figures are quoted from, five rounds; more than an hour.")
    ] = False,
    only: Annotated[str, typer.Option(help=f"Some of {','.join(WORKLOADS)}.")] = "",
    fsync: Annotated[str, typer.Option(help="on, off, or on,off, as --full does.")] = "",
    rounds: Annotated[int | None, typer.Option(help="How often everything is measured.")] = None,
    hands: Annotated[int | None, typer.Option(help="Connections of a worker, and of its limit.")] = None,
    drain: Annotated[int | None, typer.Option(help="Jobs to drain one by one.")] = None,
    fast_drain: Annotated[int | None, typer.Option(help="Jobs to drain in batches.")] = None,
    wakeups: Annotated[int | None, typer.Option(help="Enqueues that must each wake a worker; --full: 100,000.")] = None,
    held: Annotated[int | None, typer.Option(help="Seconds of work under a held snapshot.")] = None,
    others: Annotated[int | None, typer.Option(help="Jobs that are in the way.")] = None,
    idle_workers: Annotated[int | None, typer.Option(help="Workers with nothing to do.")] = None,
    idle: Annotated[int | None, typer.Option(help="Seconds that they are watched.")] = None,
    seconds: Annotated[int | None, typer.Option(help="Length of each pgbench run.")] = None,
    out: Annotated[Path, typer.Option(help="Where the results are written.")] = HERE / "out",
) -> None:
    """Measure ectojob beside bare SQL on a PostgreSQL server of its own. Only ratios within one run mean anything."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the server, too
    size = FULL if full else QUICK
    given = {
        "rounds": rounds, "hands": hands, "drain": drain, "fast_drain": fast_drain, "seconds": seconds,
        "wakeups": wakeups, "held": held, "others": others and (others,), "idle_workers": idle_workers, "idle": idle,
    }  # fmt: skip
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    size = replace(size, **changes)
    names = (only or ",".join(WORKLOADS)).lower().split(",")
    if unknown := ", ".join(name for name in names if name not in WORKLOADS):
        raise typer.BadParameter(f"no workload {unknown}; there are {', '.join(WORKLOADS)}", param_hint="--only")
    console = Console()
    rows: list[Row] = []
    try:
        with lab() as server, console.status("starting") as status:
            for setting in (fsync or ("on,off" if full else "on")).split(","):
                server.set_fsync(setting)
                for name in names:
                    workload = import_module(f"benchmarks.workloads.{WORKLOADS[name]}")
                    for group in workload.groups(server, size):
                        rows.extend(measure(group, size.rounds, setting, status.update))
    except RuntimeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    finally:  # what was measured before it was interrupted
        out.mkdir(exist_ok=True)
        (out / "results.json").write_text(json.dumps([row.as_json() for row in rows], indent=1))
        (out / "results.md").write_text(markdown(rows))
        show(rows, console)
    if draw(rows, out / "picture.png"):
        console.print(f"Drawn: {out / 'picture.png'}")


typer.run(main)
