"""The demo's audit finds what it is for: each way of losing or doubling a receipt makes the demo fail."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ectojob_py import Jobs
from ectojob_py.demo import _Shop
from ectojob_py.migrate import ROOT

TILL = [(1, "accepted"), (2, "accepted"), (3, "declined")]


@pytest.fixture
def shop(conn: psycopg.Connection[Any], dsn: str, tmp_path: Path) -> Iterator[_Shop]:
    """A shop with three sales, one of them declined, whose receipts are written."""
    Jobs(conn).create_queue("demo_receipts", max_attempts=1)
    conn.execute((ROOT / "examples/shop.sql").read_bytes())
    for id, card in TILL:
        conn.execute("insert into demo_shop.till values (%s, 'joe@mail.example', 'tea', 1, 490, %s, 0)", [id, card])
    conn.execute("call demo_shop.place_orders()")
    for job in Jobs(conn).claim_batch("demo_receipts", 10):
        receipt = [job.params["order"], job.id, job.attempt]
        conn.execute("insert into demo_shop.receipts values (%s, %s, %s, now())", receipt)
        Jobs(conn).complete("demo_receipts", job.id, job.attempt)
    with closing(_Shop(dsn, tmp_path, "psql")) as shop:
        yield shop


def audit(conn: psycopg.Connection[Any]) -> dict[str, int]:
    cursor = conn.execute("select * from demo_shop.audit")
    names = [column.name for column in cursor.description or ()]
    [counts] = cursor.fetchall()
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def test_a_shop_without_a_fault_passes(conn: psycopg.Connection[Any], shop: _Shop) -> None:
    assert audit(conn) == {"rolled_back": 1, "orders": 2, "sent_once": 2}
    assert shop._audit() == 0


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("delete from demo_shop.receipts where order_id = 1", "lost"),
        ("insert into demo_shop.receipts select * from demo_shop.receipts where order_id = 1", "sent_twice"),
        ("insert into demo_shop.receipts values (3, 99, 1, now())", "sent_without_order"),
        ("select jobs.enqueue('demo_receipts', '{\"order\": 1}')", "sent_and_not_completed"),
        ("select jobs.enqueue('demo_receipts', '{\"order\": 2}')", "still_waiting"),
        ("insert into demo_shop.orders values (3, 'joe', 490)", "till_and_orders_differ"),
        ("delete from demo_shop.orders where id = 2", "till_and_orders_differ"),
    ],
)
def test_a_fault_is_found(conn: psycopg.Connection[Any], shop: _Shop, fault: str, found: str) -> None:
    conn.execute(fault.encode())
    assert audit(conn)[found] == 1
    assert shop._audit() == 1
