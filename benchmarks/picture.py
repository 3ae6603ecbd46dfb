"""The picture: throughput over the backlog, and over time under a held snapshot."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Row


def draw(rows: Sequence[Row], path: Path) -> bool:
    """Draw what was measured of W6 and W7, and return whether there was anything; needs the extra ``bench``."""
    rows = [row for row in rows if row.workload in ("w6", "w7") and row.fsync == rows[0].fsync]
    if not rows:
        return False
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (backlog, time) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    points: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if "others" in row.costs and row.ratio is not None:
            state = row.name.split()[-1]
            points[state].setdefault(row.costs["others"], row.ratio)
    for state, ratios in points.items():
        backlog.plot(list(ratios), list(ratios.values()), marker="o", label=state)
    backlog.set(
        xscale="log", ylim=(0, 1.3), xlabel="other jobs of the queue", ylabel="throughput, of that without them"
    )
    backlog.axhline(1, color="grey", linewidth=0.5)
    for row in rows:
        if row.series:
            time.plot(*zip(*row.series, strict=True), label=row.name)
    time.set(ylim=(0, None), xlabel="seconds", ylabel="jobs/s", title="Produce and consume")
    backlog.set_title("Drain with a backlog")
    for axes in (backlog, time):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    return True
