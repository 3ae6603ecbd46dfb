"""A framework's models and a job, committed and rolled back as one, on the connection the framework has."""

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ectojob_py import Job, Jobs, Worker

Conn = psycopg.Connection[Any]

DOCS = Path(__file__).parents[2] / "docs"


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "shop_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def everything(conn: Conn) -> tuple[list[str], list[str]]:
    """Return the names of the orders, and those of their jobs."""
    orders = [name for (name,) in conn.execute("select name from shop_order order by name")]
    return orders, [name for (name,) in conn.execute("select params ->> 'name' from jobs.job order by id")]


def test_sqlalchemy(conn: Conn, dsn: str) -> None:
    engine = create_engine("postgresql+psycopg://", connect_args=conninfo_to_dict(dsn))
    Base.metadata.create_all(engine)

    def order(session: Session, name: str) -> None:
        session.add(Order(name=name))
        session.flush()
        Jobs(session.connection().connection.driver_connection).enqueue("default", {"name": name})

    with Session(engine) as session, session.begin():
        order(session, "kept")
        with session.begin_nested() as savepoint:
            order(session, "savepoint")
            savepoint.rollback()
        assert everything(conn) == ([], [])
    with suppress(ZeroDivisionError), Session(engine) as session, session.begin():
        order(session, "taken back")
        raise ZeroDivisionError
    with Session(engine) as session:
        order(session, "forgotten")
        assert session.execute(text("select count(*) from jobs.job")).scalar_one() == 2
        with pytest.raises(TypeError, match=r"not sqlalchemy.* session\.connection\(\)\.connection\.driver_connection"):
            Jobs(session.connection())
        with pytest.raises(TypeError, match="not sqlalchemy"):
            Jobs(session.connection().connection)
    engine.dispose()
    assert everything(conn) == (["kept"], ["kept"])


class Receipt(Base):
    __tablename__ = "shop_receipt"

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[int]


def test_sqlalchemy_in_a_handler(conn: Conn, dsn: str) -> None:
    [recipe] = re.findall(r"```python\n(from sqlalchemy .*?)```", (DOCS / "worker.md").read_text(), re.DOTALL)
    documented: dict[str, Any] = {"Receipt": Receipt}
    exec(recipe, documented)
    perform, session_on = documented["perform"], documented["session_on"]
    conn.execute("create table shop_receipt (id int generated always as identity, job bigint)")

    def undoes(conn: Conn, job: Job) -> None:
        with session_on(conn) as session:
            session.add(Receipt(job=-1))
            session.rollback()
            session.add(Receipt(job=job.id))
            session.commit()
            session.add(Receipt(job=-2))  # and forgets it

    def fails(conn: Conn, job: Job) -> None:
        perform(conn, job)
        raise ZeroDivisionError

    def follows(conn: Conn, _job: Job) -> None:
        with session_on(conn) as session, session.begin():
            driver = session.connection().connection.driver_connection
            Jobs(driver).enqueue("default", {"type": "perform"})

    handlers = {"perform": perform, "undoes": undoes, "fails": fails, "follows": follows}
    kinds = ["perform", "undoes", "fails", "follows", "perform"]
    ids = Jobs(conn).enqueue_many("default", [{"type": kind} for kind in kinds], max_attempts=1)
    Worker(dsn, perform=handlers, connections=1, until_empty=True).run()
    [(failed, error)] = conn.execute("select id, last_error from jobs.job").fetchall()
    assert (failed, "ZeroDivisionError" in error) == (ids[2], True)
    done = [job for (job,) in conn.execute("select job from shop_receipt order by job")]
    assert done[:-1] == [ids[0], ids[1], ids[4]]
    assert done[-1] > ids[4]


DJANGO = """
import sys

import django
from django.conf import settings

keys = ["HOST", "PORT", "USER", "NAME"]
database = {"ENGINE": "django.db.backends.postgresql", **dict(zip(keys, sys.argv[1:], strict=True))}
settings.configure(DATABASES={"default": database}, USE_TZ=True)
django.setup()

from django.db import connection, models, transaction
from ectojob_py import Jobs


class Order(models.Model):
    name = models.TextField()

    class Meta:
        app_label = "shop"


with connection.schema_editor() as editor:
    editor.create_model(Order)


connection.close()
try:
    Jobs(connection.connection)
except TypeError as error:
    assert "connection.ensure_connection()" in str(error)
else:
    raise AssertionError("it took nothing")
connection.ensure_connection()
assert Jobs(connection.connection).next_due("default") is None


def order(name):
    Order.objects.create(name=name)
    return Jobs(connection.connection).enqueue("default", {"name": name})


with transaction.atomic():
    order("kept")
    try:
        with transaction.atomic():
            order("savepoint")
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
try:
    with transaction.atomic():
        order("taken back")
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
order("autocommit")
with transaction.atomic():
    [job] = Jobs(connection.connection).claim_batch("default", 1)
    assert job.params == {"name": "kept"}, job.params
    transaction.set_rollback(True)
try:
    Jobs(connection)
except TypeError as error:
    assert "connection.connection in Django" in str(error)
else:
    raise AssertionError("it took Django's wrapper")
"""


def test_django(conn: Conn, dsn: str, tmp_path: Path) -> None:
    """Django's settings are the process's, so it gets one of its own."""
    where = conninfo_to_dict(dsn)
    script = tmp_path / "script.py"
    script.write_text(DJANGO)
    command = [sys.executable, "-W", "error", script, where["host"], where["port"], where["user"], where["dbname"]]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert conn.execute("select name from shop_order order by name").fetchall() == [("autocommit",), ("kept",)]
    query = "select params ->> 'name', state from jobs.job order by id"
    assert conn.execute(query).fetchall() == [("kept", "AVAILABLE"), ("autocommit", "AVAILABLE")]
