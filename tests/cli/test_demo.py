"""The demo on every database, and its audit: each way of losing or doubling a receipt makes it fail."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from contract.harness import Db

from cli.conftest import Ask
from ectojob_py import demo
from ectojob_py.engine import kind_of, room_of
from ectojob_py.migrate import ROOT

TILL = [(1, "accepted"), (2, "accepted"), (3, "declined")]


@pytest.fixture
def shop(db: Db, ask: Ask, dsn: str, tmp_path: Path) -> Iterator[demo._Shop]:
    """A shop with three sales, one of them declined, whose receipts are written."""
    db.jobs.create_queue("demo_receipts", max_attempts=1)
    name = "shop.mysql.sql" if kind_of(dsn) == "mysql" else "shop.sql"
    with closing(room_of(dsn, "session").Session(dsn, "jobs")) as session:
        session.run((ROOT / "examples" / name).read_text())
        till = [[id, "joe@mail.example", "tea", 1, 490, card, 0] for id, card in TILL]
        session.run("insert into demo_shop.till values (%s, %s, %s, %s, %s, %s, %s)", till)
        session.run("call demo_shop.place_orders()")
    for job in db.jobs.claim_batch("demo_receipts", 10):
        receipt = [job.params["order"], job.id, job.attempt]
        ask("insert into demo_shop.receipts (order_id, job_id, attempt) values (%s, %s, %s)", *receipt)
        db.jobs.complete("demo_receipts", job.id, job.attempt)
    with closing(demo._Shop(dsn, tmp_path, "psql")) as shop:
        yield shop
    if kind_of(dsn) == "mysql":
        ask("drop database demo_shop")


def audit(dsn: str) -> dict[str, int]:
    with closing(room_of(dsn, "session").Session(dsn, "jobs")) as session:
        [counts] = session.rows("select * from demo_shop.audit")
        return {name: count for name, count in counts.items() if count}


def test_a_shop_without_a_fault_passes(dsn: str, shop: demo._Shop) -> None:
    assert audit(dsn) == {"rolled_back": 1, "orders": 2, "sent_once": 2}
    assert shop._audit() == 0


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("delete from demo_shop.receipts where order_id = 1", "lost"),
        ("insert into demo_shop.receipts select * from demo_shop.receipts where order_id = 1", "sent_twice"),
        ("insert into demo_shop.receipts (order_id, job_id, attempt) values (3, 99, 1)", "sent_without_order"),
        ("enqueue 1", "sent_and_not_completed"),
        ("enqueue 2", "still_waiting"),
        ("insert into demo_shop.orders values (3, 'joe', 490)", "till_and_orders_differ"),
        ("delete from demo_shop.orders where id = 2", "till_and_orders_differ"),
    ],
)
def test_a_fault_is_found(db: Db, ask: Ask, dsn: str, shop: demo._Shop, fault: str, found: str) -> None:
    if again := re.match(r"enqueue (\d)", fault):
        db.jobs.enqueue("demo_receipts", {"order": int(again[1])})
    else:
        ask(fault)
    assert audit(dsn)[found] == 1
    assert shop._audit() == 1


def test_the_demo_kills_a_worker_and_its_audit_holds(
    shop: demo._Shop, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = demo._sales()
    monkeypatch.setattr(demo, "_sales", lambda: whole[:500])
    assert shop.run() == 0
    said = capsys.readouterr().out
    assert "kill -9 of worker" in said
    assert "The audit holds" in said
    counts = audit(dsn)
    assert counts["sent_once"] + counts["failed"] == counts["orders"] > 400
