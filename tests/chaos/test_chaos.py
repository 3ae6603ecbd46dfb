"""The CI tier. ``make chaos`` runs it alone, and ``make chaos ARGS=--long`` the long one."""

import random

import pytest

from .storm import CI, Storm


@pytest.mark.timeout(600)
def test_whatever_fails_nothing_is_lost_and_nothing_has_its_effect_twice(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(10**6)
    with capsys.disabled():  # how often jobs ran again is said, not hidden
        print(f'\nreplay      make chaos ARGS="--seed {seed}"')
        with Storm(CI, seed) as storm:
            broken = {name: rows for name, rows in storm.run().items() if rows}
    assert broken == {}
    assert storm.faults["kill"] + storm.faults["kill at a point"] == 30
    assert (storm.faults["crash"], storm.faults["promote"]) == (5, 3)
