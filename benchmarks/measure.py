"""Contestants take turns, A B A B, and medians are compared: only ratios within one run mean anything."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

Costs = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """One measurement: the figure, what it cost, and how it came about, in steps of time."""

    value: float
    costs: Costs = field(default_factory=dict)
    series: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Contestant:
    """Something to measure. ``limit``: the name of the contestant in the group that it is compared with."""

    name: str
    run: Callable[[], Sample]
    how: str = ""
    limit: str | None = None


@dataclass(frozen=True)
class Group:
    """What is measured alternately, in one unit."""

    workload: str
    title: str
    contestants: list[Contestant]
    unit: str = "jobs/s"
    rounds: int | None = None
    """``None``: as many as the run was told."""


@dataclass(frozen=True)
class Row:
    """A line of the table: medians over the rounds, and the median of the ratios within each round."""

    workload: str
    title: str
    fsync: str
    name: str
    unit: str
    value: float
    ratio: float | None
    limit: str | None
    how: str
    costs: Costs
    values: list[float]
    series: list[tuple[float, float]]
    """of the last round"""

    def as_json(self) -> dict[str, Any]:
        """Return it for the results' file."""
        return asdict(self)


def measure(group: Group, rounds: int, fsync: str, say: Callable[[str], None]) -> Iterator[Row]:
    """Run the contestants in turn, so many rounds, and yield their rows."""
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in group.contestants}
    rounds = group.rounds or rounds
    for number in range(rounds):
        for contestant in group.contestants:
            say(f"{group.workload} fsync {fsync}, round {number + 1} of {rounds}: {group.title}, {contestant.name}")
            samples[contestant.name].append(contestant.run())
    for contestant in group.contestants:
        own = samples[contestant.name]
        limit = samples[contestant.limit] if contestant.limit else None
        yield Row(
            group.workload,
            group.title,
            fsync,
            contestant.name,
            group.unit,
            median(sample.value for sample in own),
            median(a.value / b.value for a, b in zip(own, limit, strict=True)) if limit else None,
            contestant.limit,
            contestant.how,
            {cost: median(sample.costs[cost] for sample in own) for cost in own[0].costs},
            [sample.value for sample in own],
            own[-1].series,
        )
