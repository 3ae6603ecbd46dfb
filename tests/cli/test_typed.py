"""Durations, moments and numbers as people type them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer

from ectojob_py.cli.output import spoken
from ectojob_py.cli.typed import Moment, duration, int4, int8, moment
from ectojob_py.wording import printable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("0", 0), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1w1s", 604801)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "-1", "five", "5 m", "5x", "m", "5m!", "nan", "inf", "1e3", "٣", "1h30", "999999999999999d", "9" * 400]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration(text)


def test_moments() -> None:
    assert moment("2030-01-31T09:00:00Z") == Moment(datetime(2030, 1, 31, 9, tzinfo=UTC))
    assert moment("2030-01-31 09:00+02:00") == Moment(datetime(2030, 1, 31, 9, tzinfo=timezone(timedelta(hours=2))))
    assert moment("+5m") == Moment(wait=timedelta(minutes=5))


@pytest.mark.parametrize("text", ["", "+", "+-5m", "5m", "tomorrow", "2030-01-31T09:00:00", "2030-02-30T09:00:00Z"])
def test_no_moments(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(text)


def test_numbers_are_what_the_database_can_hold() -> None:
    assert [int4("2147483647"), int4("-2147483648"), int8("9223372036854775807")] == [2**31 - 1, -(2**31), 2**63 - 1]
    for text in ("2147483648", "-2147483649", "1.0", "1e3", "", "x", "9" * 5000):
        with pytest.raises(typer.BadParameter):
            int4(text)
    with pytest.raises(typer.BadParameter):
        int8("9223372036854775808")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0s"), (0.25, "250ms"), (59.6, "1m"), (90, "1m30s"), (-90, "-1m30s"), (90061, "1d1h")],
)
def test_durations_for_people(seconds: float | None, text: str) -> None:
    assert spoken(seconds) == text


def test_stored_text_cannot_play_with_the_terminal() -> None:
    assert printable("red \x1b[31m\x07\n\u202e ü 漢") == r"red \x1b[31m\x07\n\u202e ü 漢"
