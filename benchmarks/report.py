"""The tables, for the console and for README.md."""

from collections.abc import Sequence
from itertools import groupby

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


def markdown(rows: Sequence[Row]) -> str:
    """Return the tables that README.md quotes: a line for each that is no limit, with its limit's in parentheses."""
    tables = groupby(rows, lambda row: (row.fsync, row.unit))
    return "\n".join(_table(f"fsync {fsync}", unit, list(some)) for (fsync, unit), some in tables)


def _table(name: str, unit: str, rows: Sequence[Row]) -> str:
    """Return one in one unit, without columns that would be empty, and without costs that only some have."""
    known = {(row.title, row.name): row for row in rows}
    limits = {(row.title, row.limit) for row in rows}
    costs = [*COSTS, *(cost for cost in rows[0].costs if cost not in COSTS and all(cost in row.costs for row in rows))]
    lines, title = [[name, unit, "ratio", "of CPU", *costs]], ""
    for row in rows:
        if (row.title, row.name) in limits:
            continue
        limit = known.get((row.title, row.limit or ""))
        lines.append(
            [
                row.name if row.title == title else f"{row.workload}, {row.title}: {row.name}",
                _beside(row.value, limit.value if limit else None),
                "" if row.ratio is None else f"{row.ratio:.2f}",
                "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}",
                *(_beside(row.costs.get(cost), limit.costs.get(cost) if limit else None) for cost in costs),
            ]
        )
        title = row.title
    head, *body = zip(*[column for column in zip(*lines, strict=True) if any(column[1:])], strict=True)
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *body))


def _beside(own: float | None, limit: float | None) -> str:
    if own is None:
        return ""
    return figure(own) if limit is None else f"{figure(own)} ({figure(limit)})"


def _how(row: Row) -> str:
    """Return how it was driven, and the costs that have no column of their own."""
    more = [f"{name} {figure(value)}" for name, value in row.costs.items() if name not in COSTS]
    return ", ".join(filter(None, [row.how, *more]))


def figure(value: float) -> str:
    """Return three significant digits, thousands separated."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if value >= 0.001 else "0"
