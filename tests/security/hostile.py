"""Hostile values for every type of argument, from a seed: edges that are known to bite, and mixtures of them.

Everything is text, as a driver without types sends it, so that the database's own conversions are under attack too.
"""

import json
import random
from collections.abc import Callable

CANARY = "canary-3f9a"
"""Is in every payload, and must never be in a message."""

QUEUE = "attacked"

TEXTS = [
    "",
    " ",
    "null",
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\'",
    "$$",
    "$1",
    "%s %I %L %n",
    "{0} {x}",
    "'; drop table jobs.job; --",
    "'); select jobs.drop_queue('attacked', true); --",
    "' union select params::text from jobs.job --",
    "*/ or 1=1 /*",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "a\nb",
    "a\r\nb\tc",
    "\x01\x02\x1b[2J\x7f",
    "\u202eabc\u2066",
    "\u200b",
    "\ufeff",
    "e\u0301",
    "\U0001f600" * 3,
    "\uffff",
    "\u0130\u0131\u017f\u212a",
    "\u00df" * 24,
    "\u00a0",
    ".completed",
    "attacked.failed",
    "attacked ",
    " attacked",
    "ATTACKED",
    "attacked\u0301",
    "jobs.attacked",
    "pg_temp",
    "default",
    "x" * 48,
    "x" * 49,
    "\u00e9" * 24,
    "x" * 7999,
    "x" * 8000,
    "x" * 10001,
    "true",
    "0",
    "-1",
    "1e9",
]
INTEGERS = [
    "0", "-0", "1", "-1", "2", "10000", "10001", "2147483647", "2147483648", "-2147483648", "-2147483649",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e3", "1.5", "0x10", "NaN", "Infinity",
    " 7 ", "7a", "", "1_000", "\u0663", "9" * 400,
]  # fmt: skip
INTERVALS = [
    "0", "1 second", "-1 second", "1 microsecond", "30 days", "30 days 1 microsecond", "3650 days", "3651 days",
    "1 month", "1 mon -30 days", "-1 mon 31 days", "infinity", "-infinity", "178000000 years", "-178000000 years",
    "P1Y2M3DT4H5M6S", "1:2:3", "60", "-0.0000001", "2592000", "2592000.000001", "1e10", "1e300", "NaN", "", "x",
    "9" * 400,
]  # fmt: skip
MOMENTS = [
    "infinity", "-infinity", "epoch", "now", "tomorrow", "allballs", "0001-01-01", "0001-01-01 BC", "4713-01-01 BC",
    "294276-12-31", "294277-01-01", "1000-01-01", "0999-12-31 23:59:59.999999", "9998-12-31 23:59:59.999999",
    "9999-01-01", "9999-12-31 23:59:59", "01/02/03", "13/13/2030", "2030-02-30", "2030-06-01 12:00:00+25:00",
    "2030-06-01 12:00:00 Nowhere/Land", "2030-06-01T12:00:00", "2030-06-01 12:00:00.1234567", "20300601", "0", "", "x",
    "0000-00-00 00:00:00", "2038-01-19 03:14:08",
]  # fmt: skip
DOCUMENTS = [
    "{}", "[]", "null", "1", '"x"', "true", "", " ", "{", '{"a"}', '{"a": NaN}', '{"a": Infinity}', '{"a": 01}',
    '{"a": 1, "a": 2}', '{"": ""}', '{"__proto__": {"x": 1}}', '{"a": "\\u0000"}', '{"a": "\\ud800"}',
    '{"a": "\\udc00\\ud800"}', '{"a": "\\ud83d\\ude00"}', '{"a": 1e400}', '{"a": 1e131072}', '{"a": -0.0}',
    '{"a": 12345678901234567890123456789012345678901234567890.123}', "{'a': 1}", '{"a": 1,}', '{"a": 1} {}',
    "/* x */ {}", '\ufeff{"a": 1}', '{"a": "\t"}', '{"type": "os.system", "args": ["true"]}',
    '{"a": ' * 50 + "1" + "}" * 50, '{"a": ' * 20000 + "1" + "}" * 20000, "[" * 20000, '{"a": "' + "x" * 200_000 + '"}',
    json.dumps({f"k{n}": n for n in range(2000)}),
]  # fmt: skip
ARRAYS = ["[]", "{}", "null", "[1]", "[1, 1]", "[null]", '["x"]', "[[1]]", "[1.5]", "[9223372036854775808]", "", "x"]

Value = str | None


class Generator:
    """Draws arguments; the same seed draws the same."""

    def __init__(self, seed: int, as_array: Callable[[list[Value]], str], keys: list[tuple[int, int]]) -> None:
        """Take how an array is written in this dialect, and ids and attempts of jobs that are there."""
        self.random = random.Random(seed)
        self._as_array = as_array
        self._keys = keys
        self._key: tuple[int, int] = (0, 0)

    def draw(self, kind: str) -> Value:
        """Return an argument: null now and then, something legal as often as not, something hostile otherwise."""
        if self.random.random() < 0.05:
            return None
        return getattr(self, kind)()  # type: ignore[no-any-return]

    def _one(self, good: list[str], bad: list[str], share: float = 0.5) -> str:
        return self.random.choice(good if self.random.random() < share else bad)

    def queue(self) -> str:
        return self._one([QUEUE], [*TEXTS, self.noise()], 0.7)

    def new_queue(self) -> str:
        return self._one(["attacked too"], [*TEXTS, self.noise()], 0.2)

    def id(self) -> str:
        if self._keys and self.random.random() < 0.7:
            self._key = self.random.choice(self._keys)
            return str(self._key[0])
        return self.random.choice(INTEGERS)

    def attempt(self) -> str:
        return self._one([str(self._key[1])], [*INTEGERS, str(self._key[1] + self.random.choice([-1, 1]))], 0.6)

    def count(self) -> str:
        return self._one(["1", "3"], INTEGERS)

    def priority(self) -> str:
        return self._one(["0", "-5"], INTEGERS)

    def moment(self) -> str:
        return self._one(["2030-01-01 00:00:00"], MOMENTS, 0.3)

    def duration(self) -> str:
        return self._one(["60"], INTERVALS, 0.3)

    def flag(self) -> str:
        return self.random.choice(["0", "1", "true", "x", "2", ""])

    def text(self) -> str:
        return f"{CANARY}{self._one(TEXTS, [self.noise()], 0.8)}"

    def document(self) -> str:
        if self.random.random() < 0.5:
            return json.dumps({"secret": CANARY, self.noise(): self.random.choice(TEXTS), "n": self.random.random()})
        return self.random.choice(DOCUMENTS)

    def documents(self) -> str:
        if self.random.random() < 0.2:
            return self.random.choice(ARRAYS)
        return self._as_array([self.draw("document") for _ in range(self.random.randrange(4))])

    def payload(self) -> str:
        return self._one([CANARY, "\\x00ff", self.noise()], ["\\x0", "\\xzz", "\\8", "\\", *TEXTS])

    def transaction(self) -> str:
        return self._one(["1", "1000000"], INTEGERS)

    def ids(self) -> str:
        if self.random.random() < 0.3:
            return self.random.choice(ARRAYS)
        return self._as_array([self.id() for _ in range(self.random.randrange(3))])

    def attempts(self) -> str:
        if self.random.random() < 0.3:
            return self.random.choice(ARRAYS)
        return self._as_array([self.attempt() for _ in range(self.random.randrange(3))])

    def noise(self) -> str:
        """Return some characters from all of Unicode, NUL included, without lone surrogates."""
        points = (
            self.random.randrange(0x110000) if self.random.random() < 0.5 else self.random.randrange(128)
            for _ in range(8)
        )
        return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


ARGUMENTS = {
    "enqueue": ("queue", "document", "moment", "count", "priority", "text"),
    "enqueue_many": ("queue", "documents", "moment", "count", "priority", "text"),
    "enqueue_payload": ("queue", "payload", "moment", "count", "priority", "text"),
    "reserve_batch": ("queue", "count", "duration"),
    "claim_batch": ("queue", "count", "duration"),
    "begin_attempt": ("queue", "id", "attempt"),
    "complete": ("queue", "id", "attempt"),
    "complete_batch": ("queue", "ids", "attempts"),
    "fail": ("queue", "id", "attempt", "text", "duration"),
    "extend": ("queue", "id", "attempt", "duration"),
    "release": ("queue", "id", "attempt"),
    "activate_scheduled": ("queue",),
    "reactivate_expired": ("queue",),
    "fall_asleep": ("queue",),
    "in_flight": ("transaction",),
    "wake_up": ("queue",),
    "next_due": ("queue",),
    "requeue": ("queue", "id"),
    "remove": ("queue", "id"),
    "create_queue": ("new_queue", "count", "duration", "duration", "duration"),
    "drop_queue": ("queue", "flag"),
    "pause_queue": ("queue",),
    "resume_queue": ("queue",),
    "version": (),
}
"""What to draw for each function's arguments."""
