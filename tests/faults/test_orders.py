"""Every order of every two transactions, and many of three: nothing is lost, doubled or stuck."""

from collections.abc import Iterator
from contextlib import closing
from itertools import combinations_with_replacement, permutations
from random import Random

import pytest
from contract.harness import Dialect

from .conftest import SCALE, SEED
from .explorer import Explorer, Script, explored
from .world import CALLS

ORDERS = sorted(set(permutations((0, 0, 1, 1))))
UNDONE = [(order[0], order) for order in ORDERS if order[0] != order[1]]
"""Who of them rolls back what the other one has met."""
PAIRS = list(combinations_with_replacement(CALLS, 2))
BATCHES = 8
TRIPLES = 260 * SCALE
"""In each batch."""


@pytest.fixture(scope="module")
def explorer(dialect: Dialect) -> Iterator[Explorer]:
    """One for all orders."""
    with closing(Explorer(dialect)) as explorer:
        yield explorer
        print(dict(explorer.seen))


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_every_order_of_two_transactions(explorer: Explorer, one: str, two: str) -> None:
    calls = [CALLS[one](explorer.keys)], [CALLS[two](explorer.keys)]
    for order in ORDERS if one != two else ORDERS[:3]:
        explored(explorer, [Script(call) for call in calls], order)
    for undone, order in UNDONE if one != two else UNDONE[:2]:
        explored(explorer, [Script(call, commits=n != undone) for n, call in enumerate(calls)], order)
    explorer.nothing_is_stuck()


@pytest.mark.timeout(600 * SCALE)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_orders_of_three_calls_at_random(explorer: Explorer, batch: int) -> None:
    random = Random(SEED * BATCHES + batch)
    for _ in range(TRIPLES):
        calls = [CALLS[name](explorer.keys) for name in random.choices(list(CALLS), k=3)]
        # One time in four, two of them in one transaction.
        transactions = [calls[:2], calls[2:]] if random.random() < 0.25 else [[call] for call in calls]
        scripts = [Script(calls, random.random() < 0.8) for calls in transactions]
        order = [n for n, script in enumerate(scripts) for _ in (*script.calls, "its end")]
        random.shuffle(order)
        explored(explorer, scripts, order, SEED)
    explorer.nothing_is_stuck()
