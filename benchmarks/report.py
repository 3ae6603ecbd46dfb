"""The table."""

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Row

COSTS = ("client CPU", "server CPU", "WAL", "syncs", "commits")
NOTES = (
    "CPU: seconds per 1,000 jobs; of CPU: the limit's over its own; WAL: bytes, syncs and commits per job. "
    "Only ratios mean anything."
)


def show(rows: list[Row], console: Console) -> None:
    """Print a line per contestant, grouped as they were measured."""
    table = Table(title="ectojob beside its limits: medians; ratios of the same round", title_justify="left")
    for name in ("", "fsync", "what", "how"):
        table.add_column(name, overflow="fold")
    for name in ("figure", "ratio", "of CPU", *COSTS):
        table.add_column(name, justify="right")
    before = None
    for row in rows:
        group = (row.workload, row.title, row.fsync)
        if group != before:
            table.add_section()
            table.add_row(row.workload, row.fsync, f"[bold]{row.title}[/bold]")
            before = group
        table.add_row(
            "", "", row.name, _how(row),
            f"{figure(row.value)} {row.unit}",
            "" if row.ratio is None else f"[bold]{row.ratio:.2f}[/bold]",
            "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}",
            *(figure(row.costs[cost]) if cost in row.costs else "" for cost in COSTS),
        )  # fmt: skip
    Console(width=max(console.width, 170)).print(table, NOTES, sep="\n")


def _how(row: Row) -> str:
    """Return how it was driven, and the costs that have no column of their own."""
    more = [f"{name} {figure(value)}" for name, value in row.costs.items() if name not in COSTS]
    return ", ".join(filter(None, [row.how, *more]))


def figure(value: float) -> str:
    """Return three significant digits, thousands separated."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if value >= 0.001 else "0"
