"""The README's psql tour is typed into psql, and must look as printed there."""

import json
import re
import subprocess
from pathlib import Path

import psycopg

from ectojob_py.embedded import VERSIONS, binaries
from ectojob_py.migrate import migrate

ROOT = Path(__file__).parents[2]
MARK = "-- next statement --"


def normal(output: str) -> list[str]:
    """Return the lines that matter: process ids differ, and psql pads what it prints."""
    output = re.sub(r"with PID \d+", "with PID 42", output)
    lines = [line.rstrip() for line in output.splitlines() if not line.startswith("CONTEXT:")]
    return [line for line in lines if line and not re.match(r"(SQL statement|PL/pgSQL function) ", line)]


def test_the_tours_in_psql_print_what_the_readme_says(dsn: str, tmp_path: Path) -> None:
    [first], [many], [as_roles] = (
        re.findall(r"```console\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
        for name in ("README.md", "docs/recipes.md", "docs/operating.md")
    )
    compare(first, dsn, tmp_path)
    with psycopg.connect(dsn) as conn:
        conn.execute("create table customers as select id from generate_series(1, 2) as id")
    jobs = [
        {"to": "joe", "urgency": 1},
        {"to": 'a "quoted" \\ name, \x01', "urgency": 2},
        {"to": "ünï\n", "urgency": 3},
    ]
    (tmp_path / "emails.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    compare(many, dsn, tmp_path)
    with psycopg.connect(dsn) as conn:
        enqueued = conn.execute("select params, priority from jobs.job where params ? 'urgency' order by id").fetchall()
    assert enqueued == [(job, 0) for job in jobs] + [(job, job["urgency"]) for job in jobs]
    migrate(dsn, roles=True)
    try:
        compare(as_roles, dsn, tmp_path)
    finally:
        migrate(dsn, roles=False)


def compare(tour: str, dsn: str, folder: Path) -> None:
    steps = re.findall(r"^=> (\\copy .*?|.*?;)$\n(.*?)(?=^=> |\Z)", tour, re.DOTALL | re.MULTILINE)
    assert len(steps) == len(re.findall(r"^=> ", tour, re.MULTILINE)) > 3
    script = "\n".join(f"\\echo '{MARK}'\n{statement}" for statement, _ in steps)
    psql = binaries(max(VERSIONS)) / "psql"
    done = subprocess.run(
        [psql, "-X", "-d", dsn], cwd=folder,
        input=script, text=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed = done.stdout.split(MARK)[1:]
    for (statement, expected), output in zip(steps, printed, strict=True):
        assert (statement, normal(output)) == (statement, normal(expected))
