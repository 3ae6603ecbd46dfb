"""The functions do what the model says, on every database: so they agree with each other, too."""

from collections import Counter
from contextlib import closing

import pytest
from contract.harness import Dialect
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .conftest import SCALE, SEED
from .machine import Machine

RUNS = 5
EXAMPLES = 26 * SCALE
STEPS = 100


@pytest.mark.timeout(600 * SCALE)
@pytest.mark.parametrize("run", range(RUNS))
def test_the_database_does_what_the_model_says(dialect: Dialect, run: int) -> None:
    outcomes: Counter[str] = Counter()
    with closing(dialect.connect()) as conn:
        kind = type("Machine", (Machine,), {"dialect": dialect, "conn": conn, "outcomes": outcomes})
        run_state_machine_as_test(
            seed(SEED * RUNS + run)(kind),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"{outcomes.total()} steps: {dict(outcomes.most_common())}")
    assert outcomes.total() > EXAMPLES * STEPS * 0.6
    assert len(outcomes) > 40, "most functions should have met most of their outcomes"
