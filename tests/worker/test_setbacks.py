"""Telling the database what did not succeed, without waiting for rows that somebody has locked."""

import logging
from dataclasses import replace
from math import inf
from typing import Any
from unittest.mock import Mock

import pytest

from ectojob_py import Job
from ectojob_py.errors import Locked
from ectojob_py.handler import Outcome, Report
from ectojob_py.setbacks import Setbacks

JOB = Job("default", 1, "IN_PROGRESS", 0, Mock(), None, 1, 5, "{}", None, None, Mock(), Mock())


@pytest.mark.parametrize("error", ["it failed", "es schlug fehl, wie üblich"])
def test_after_each_locked_row_the_loop_has_its_turn(error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ectojob_py.setbacks.monotonic", lambda: now)
    asked: list[int] = []
    locked = {1, 2}

    def fail(job: Job, *_: object) -> Any:
        asked.append(job.id)
        if job.id in locked:
            raise Locked

    setbacks = Setbacks(None, logging.getLogger("ectojob"))
    for id in (1, 2, 3):
        setbacks.add(Report(replace(JOB, id=id), Outcome.FAILED, 0.1, error))

    def told() -> list[int]:
        return [report.job.id for report in setbacks.tell(Mock(fail=fail))]

    assert (told(), asked, setbacks.due_at) == ([], [1], 0.0)
    assert (told(), asked, setbacks.due_at) == ([], [1, 2], 0.0)
    assert (told(), asked, setbacks.due_at) == ([3], [1, 2, 3], now + 1)
    locked.clear()
    assert (told(), setbacks.due_at) == ([], now + 1)
    now += 1
    assert (told(), asked, setbacks.due_at) == ([1, 2], [1, 2, 3, 1, 2], inf)
