"""What the documents show is typed into psql and Python, and must look as printed there."""

import json
import re
import runpy
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

import ectojob_py
from ectojob_py.embedded import VERSIONS, binaries
from ectojob_py.migrate import migrate

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARK = "-- next statement --"
JOBS = [
    {"to": "joe", "urgency": 1},
    {"to": 'a "quoted" \\ name, \x01', "urgency": 2},
    {"to": "ünï\n", "urgency": 3},
]
"""What is in the reader's emails.jsonl."""


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


TOURS = [document for document in DOCUMENTS if blocks(document, "console")]
WORKERS = [
    block
    for document in DOCUMENTS
    for block in blocks(document, "python")
    if "insert into receipts (order_id)" in block
]


def normal(output: str) -> list[str]:
    """Return the lines that matter: process ids differ, and psql pads what it prints."""
    output = re.sub(r"with PID \d+", "with PID 42", output)
    lines = [line.rstrip() for line in output.splitlines() if not line.startswith("CONTEXT:")]
    return [line for line in lines if line and not re.match(r"(SQL statement|PL/pgSQL function) ", line)]


@contextmanager
def prepared(tour: str, dsn: str, folder: Path) -> Iterator[psycopg.Connection]:
    """Have what the reader has, and the roles for a tour that takes them."""
    (folder / "emails.jsonl").write_text("".join(json.dumps(job) + "\n" for job in JOBS))
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create table customers as select id from generate_series(1, 2) as id")
        if "set role jobs_" not in tour:
            yield conn
            return
        migrate(dsn, roles=True)
        try:
            yield conn
        finally:
            migrate(dsn, roles=False)


def test_there_is_a_tour_a_load_of_many_and_a_look_at_roles() -> None:
    shown = [block for document in TOURS for block in blocks(document, "console")]
    for statement in ("jobs.fail(", "jobs.enqueue_many(", "set role jobs_producer"):
        assert any(statement in block for block in shown)


@pytest.mark.parametrize("document", TOURS, ids=lambda path: path.name)
def test_a_tour_in_psql_prints_what_the_document_says(document: Path, dsn: str, tmp_path: Path) -> None:
    """All blocks of a document are one session."""
    tour = "".join(blocks(document, "console"))
    steps = re.findall(r"^=> (\\copy .*?|.*?;)$\n(.*?)(?=^=> |\Z)", tour, re.DOTALL | re.MULTILINE)
    assert len(steps) == len(re.findall(r"^=> ", tour, re.MULTILINE))
    script = "\n".join(f"\\echo '{MARK}'\n{statement}" for statement, _ in steps)
    with prepared(tour, dsn, tmp_path) as conn:
        done = subprocess.run(
            [binaries(max(VERSIONS)) / "psql", "-X", "-d", dsn], cwd=tmp_path,
            input=script, text=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        query = "select params, priority from jobs.job where params ? 'urgency' order by id"
        enqueued = conn.execute(query).fetchall()
    for (statement, expected), output in zip(steps, done.stdout.split(MARK)[1:], strict=True):
        assert (statement, normal(output)) == (statement, normal(expected))
    if "emails.jsonl" in tour:
        assert enqueued == [(job, 0) for job in JOBS] + [(job, job["urgency"]) for job in JOBS]


@pytest.mark.parametrize("program", WORKERS)
def test_the_worker_does_what_it_is_said_to(
    program: str, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands there, but for the database; and it ends when there is nothing left to do."""
    monkeypatch.setattr(ectojob_py, "Worker", partial(ectojob_py.Worker, until_empty=True))
    program, databases = re.subn(r'"postgresql://[^"]*"', lambda _: repr(dsn), program)
    assert databases == 1
    (tmp_path / "shop.py").write_text(program)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create table orders (id bigint); create table receipts (order_id bigint)")
        runpy.run_path(str(tmp_path / "shop.py"), run_name="__main__")
        orders = conn.execute("select id from orders").fetchall()
        assert len(orders) >= 1
        assert conn.execute("select order_id from receipts").fetchall() == orders
        assert conn.execute("select from jobs.job").fetchall() == []


def test_there_is_a_worker() -> None:
    assert WORKERS
