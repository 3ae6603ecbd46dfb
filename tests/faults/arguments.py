"""What the functions are given: mostly what is right, and sometimes odd, illegal, huge, or of another type."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from .judge import Raw
from .model import Row

DAY = timedelta(days=1)
LONG = "x" * 50
NAMES = ["default", "emails", "naïve 📬", "a'; drop table job; --", "%s", "jobs.job", "default.completed.x"]
ODD = ["", " ", "no such queue", "DEFAULT", "default ", "default.completed", "x.scheduled", "a\tb", LONG, LONG * 200]
BIG = 2**63 - 1
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=40)


def mostly(right: list[Any], odd: list[Any]) -> st.SearchStrategy[Any]:
    """Right nine times of ten, or the one call in ten that gets through would never meet another."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(odd if n == 5 else right))


queues = mostly(["default", "default", "emails"], [*NAMES, *ODD, None])
swept = mostly([None, "default", "emails"], [*NAMES, *ODD])
others = mostly(["emails", *NAMES[2:]], ["default", *ODD, None])
documents = st.dictionaries(TEXT, st.one_of(st.none(), st.booleans(), st.integers(), TEXT, st.lists(TEXT)), max_size=3)
some_params = st.one_of(documents, mostly([{}, {"n": 10**40}, {"n": 0.5}, {"a": [[[{}]]]}], [[], "text", 1, None]))
payloads = st.one_of(st.binary(max_size=40), mostly([b"", bytes(range(256))], [None]))
schedules = mostly(
    [None, None, *(datetime.now(UTC).replace(microsecond=1) + DAY * days for days in (-1, 1, 3000))],
    [datetime(999, 12, 31, tzinfo=UTC), datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)],
)
granted = mostly([None, 1, 2, 3, 10_000], [0, -1, 10_001, 2**31 - 1])
priorities = st.sampled_from([0, 0, None, 1, -1, 2**31 - 1, -(2**31)])
notes = st.one_of(st.none(), TEXT, mostly(["", "x" * 7999], ["x" * 8000, "📬" * 2000]))
demands = mostly([1, 1, 2, 3, 2**31 - 1], [0, -1, None])
timeouts = mostly(
    [None, None, DAY, timedelta(minutes=1), timedelta(microseconds=1), 30 * DAY],
    [timedelta(0), -DAY, timedelta(microseconds=-1), 30 * DAY + timedelta(microseconds=1), 10_000 * DAY],
)
waits = mostly([None, None, timedelta(0), DAY, 3650 * DAY], [3651 * DAY, timedelta(microseconds=-1)])
errors = st.one_of(st.none(), TEXT, st.sampled_from(["x" * 10_001, "📬" * 10_001, "%s %(a)s '\"\\"]))
picks = st.integers(0, 20)
aims = mostly(["apt", "apt", "apt", "any", "stale"], ["queue", "forged", "id", "attempt"])
odd_ids = st.sampled_from([None, 0, -1, BIG, -BIG])
odd_attempts = st.sampled_from([None, 0, -1, 2**31 - 1, -(2**31)])

WRONG: dict[str, list[tuple[int, Any]]] = {
    "enqueue": [
        (1, Raw("{")),
        (1, Raw("1 2")),
        (2, "soon"),
        (2, "infinity"),
        (3, "many"),
        (3, 2**31),
        (4, -(2**31) - 1),
        (4, ""),
    ],
    "enqueue_many": [(1, Raw("{")), (2, "2026-02-30"), (3, 2**63), (4, "first")],
    "reserve_batch": [(1, "all"), (1, 2**31), (2, "a while"), (2, "P")],
    "claim_batch": [(1, "1; drop table job"), (1, 2**63), (2, "forever")],
    "begin_attempt": [(1, "x"), (1, 2**63), (2, 2**31)],
    "complete": [(1, "x"), (1, 2**64), (2, -(2**31) - 1), (2, "")],
    "complete_batch": [(1, "x"), (2, "x")],
    "fail": [(1, "x"), (2, 2**63), (4, "later")],
    "extend": [(1, 2**63), (2, "x"), (3, "x")],
    "release": [(1, ""), (2, 2**31)],
    "requeue": [(1, "x"), (1, -(2**63) - 1)],
    "remove": [(1, "x"), (1, 2**63)],
    "create_queue": [(1, "x"), (1, 2**31), (2, "x"), (4, "")],
    "drop_queue": [(1, "perhaps")],
}
"""Arguments that are of no use at their place, to every database: place, value."""


def right(function: str, row: Row) -> tuple[Any, ...]:
    """All the arguments of a function, for a job if it takes one."""
    key = ("default", row["id"], row["attempt"])
    with_options: dict[str, tuple[Any, ...]] = {
        "enqueue": ("default", {}, None, None, 0, None),
        "enqueue_many": ("default", [{}], None, None, 0, None),
        "reserve_batch": ("default", 1, None),
        "claim_batch": ("default", 1, None),
        "complete_batch": ("default", [row["id"]], [row["attempt"]]),
        "fail": (*key, None, None),
        "extend": (*key, None),
        "requeue": key[:2],
        "remove": key[:2],
        "create_queue": ("default", None, None, None, None),
        "drop_queue": ("default", False),
    }
    return with_options.get(function, key)
