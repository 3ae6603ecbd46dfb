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
    cpu_ratio: float | None
    """CPU seconds of the limit, client and server, over its own: what load from elsewhere does not blur"""
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
            workload=group.workload,
            title=group.title,
            fsync=fsync,
            name=contestant.name,
            unit=group.unit,
            value=median(sample.value for sample in own),
            ratio=median(a.value / b.value for a, b in zip(own, limit, strict=True)) if limit else None,
            cpu_ratio=_cpu_ratio(own, limit) if limit else None,
            limit=contestant.limit,
            how=contestant.how,
            costs={cost: median(sample.costs[cost] for sample in own) for cost in own[0].costs},
            values=[sample.value for sample in own],
            series=own[-1].series,
        )


def _cpu_ratio(own: list[Sample], limit: list[Sample]) -> float | None:
    """Return it where CPU time was read, and is more than its clock's steps."""
    if not all("server CPU" in sample.costs and _cpu(sample) > 0 for sample in [*own, *limit]):
        return None
    return median(_cpu(b) / _cpu(a) for a, b in zip(own, limit, strict=True))


def _cpu(sample: Sample) -> float:
    return sample.costs["server CPU"] + sample.costs.get("client CPU", 0)
